"""The error of a restoration, measured on known pixels that the fit has not seen."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.commands.restoring.result import ErrorEstimate
from sparring.restoration.task import BLOCKS, Task
from sparring.stats.intervals import resampled_means

PLACES = {"mask": "known pixels in self-made holes", "noise": "single pixels that the fit did not see, less the noise"}
BASELINES = {"mask": "harmonic fill", "noise": "mean of the neighbours"}
MIN_BLOCKS = 8
"""Smallest number of blocks with tested pixels that gives an interval."""


def error_estimate(task: Task, output: Tensor) -> ErrorEstimate | None:
    """Return the error of `output` at the tested pixels, or None where there are too few.

    Its interval is a bootstrap over blocks of the picture, since errors of neighbours are alike.
    """
    sums, counts = _by_block(task, (task.operator(output) - task.observed).square())
    if len(counts) < MIN_BLOCKS:
        return None
    simple, _ = _by_block(task, (task.start() - task.observed).square()) if task.factor == 1 else (sums, counts)
    channels, noise = task.observed.shape[1], task.sigma**2
    total = float(counts.sum()) * channels
    resampled = resampled_means(sums) / resampled_means(counts) / channels - noise
    low, high = torch.quantile(resampled, torch.tensor([0.025, 0.975], dtype=torch.float64)).clamp(min=0).sqrt() * 255
    rms, baseline = (max(float(value.sum()) / total - noise, 0.0) ** 0.5 * 255 for value in (sums, simple))
    return ErrorEstimate(
        PLACES[task.kind], int(counts.sum()), rms, float(low), float(high), baseline, BASELINES[task.kind]
    )


def _by_block(task: Task, squares: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of squared errors and the number of tested pixels, of each block that has any."""
    h, w = squares.shape[2:]
    block = torch.arange(h)[:, None] * BLOCKS // h * BLOCKS + torch.arange(w) * BLOCKS // w
    tested = task.tested[0, 0].double()
    sums = torch.zeros(BLOCKS * BLOCKS, dtype=torch.float64)
    counts = sums.clone().index_add_(0, block.flatten(), tested.flatten())
    sums.index_add_(0, block.flatten(), (squares[0].double().sum(0) * tested).flatten())
    return sums[counts > 0], counts[counts > 0]

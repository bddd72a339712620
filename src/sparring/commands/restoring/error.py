"""The error of a restoration, measured on known pixels that the fit has not seen."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.commands.restoring.result import ErrorEstimate
from sparring.restoration.fill import harmonic_fill
from sparring.restoration.task import BLOCKS, Task
from sparring.stats.intervals import ends_of, resampled_means

PLACES = {
    "mask": "known pixels in self-made holes",
    "noise": "pixels predicted without their own value, less the noise",
}
BASELINES = {"mask": "harmonic fill", "noise": "the noisy picture"}
SIGMA_UNCERTAINTY = 0.01
"""Relative error of the noise's standard deviation that the interval allows for."""
MAX_MARGIN = 0.35
"""Largest distance from black and white at which pixels are left out, as their noise is cut off there."""
MIN_BLOCKS = 8
"""Smallest number of blocks with tested pixels that gives an interval."""


def error_estimate(task: Task, output: Tensor) -> ErrorEstimate | None:
    """Return the error of `output` at the tested pixels, or None where there are too few.

    Its interval is a bootstrap over blocks of the picture, since errors of neighbours are alike.
    """
    if task.kind not in PLACES:
        return None
    tested = _tested(task, output)
    sums, counts = _by_block((output - task.observed).square(), tested)
    if len(counts) < MIN_BLOCKS:
        return None
    total, noise = float(counts.sum()), task.sigma**2
    resampled = resampled_means(sums) / resampled_means(counts)
    ends = torch.tensor(ends_of(resampled), dtype=torch.float64)
    off = torch.tensor([1 + SIGMA_UNCERTAINTY, 1 - SIGMA_UNCERTAINTY], dtype=torch.float64)
    low, high = (ends - noise * off**2).clamp(min=0).sqrt() * 255
    rms = max(float(sums.sum()) / total - noise, 0.0) ** 0.5 * 255
    if task.kind == "noise":
        baseline = task.sigma * 255
    else:
        simple, _ = _by_block((harmonic_fill(task.observed, task.fitted) - task.observed).square(), tested)
        baseline = (float(simple.sum()) / total) ** 0.5 * 255
    return ErrorEstimate(
        PLACES[task.kind], int(tested.amax(1).sum()), rms, float(low), float(high), baseline, BASELINES[task.kind]
    )


def _tested(task: Task, output: Tensor) -> Tensor:
    """Return the weights `[1, C, h, w]` of the values that measure the error.

    In noise these are all values, since none is predicted from itself, except those whose noise may be cut off at
    black or white.
    """
    if task.kind != "noise":
        return task.tested.expand_as(output)
    margin = min(2 * task.sigma, MAX_MARGIN)
    return ((output > margin) & (output < 1 - margin)).float()


def _by_block(squares: Tensor, tested: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of squared errors and the number of tested values, of each block that has any."""
    h, w = squares.shape[2:]
    block = torch.arange(h)[:, None] * BLOCKS // h * BLOCKS + torch.arange(w) * BLOCKS // w
    weights = tested[0].double()
    sums = torch.zeros(BLOCKS * BLOCKS, dtype=torch.float64)
    counts = sums.clone().index_add_(0, block.flatten(), weights.sum(0).flatten())
    sums.index_add_(0, block.flatten(), (squares[0].double() * weights).sum(0).flatten())
    return sums[counts > 0], counts[counts > 0]

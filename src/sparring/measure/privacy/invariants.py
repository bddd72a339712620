"""Audit what holds without noise: bounded sensitivity, Poisson samples, inputs that no other row changes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparring.engine.loop import BatchSource
from sparring.games.private_sgd import PrivateSGD
from sparring.measure.privacy.step_audit import clipped_gradient_sum

ROUNDING = 1e-3
"""Relative excess over the clip that rounding may cause."""
SIGNIFICANCE = 1e-6
"""p-value below which samples are called no Poisson samples: a test of a build is run very often."""


def sensitivity(game: PrivateSGD, x: Tensor, y: Tensor) -> float:
    """Return the largest change of the sum of gradients by one of the rows `[N, ...]`, relative to the clip.

    Above 1 the privacy guarantee is broken: rows are not clipped, or a row changes the gradients of others.
    """
    total = clipped_gradient_sum(game, x, y)
    changes = []
    for k in range(len(x)):
        others = torch.arange(len(x)) != k
        changes.append(float((total - clipped_gradient_sum(game, x[others], y[others])).norm()) / game.clip)
    return max(changes)


@dataclass(frozen=True)
class SamplingAudit:
    """Whether batches are Poisson samples."""

    size_p: float
    """p-value of the variance of the sizes."""
    count_p: float
    """p-value of the variance of how often each row entered: a shuffled epoch takes each row equally often."""

    @property
    def passes(self) -> bool:
        """Return whether neither is implausible."""
        return min(self.size_p, self.count_p) >= SIGNIFICANCE


def sampling_audit(source: BatchSource, steps: int, rows: int, rate: float) -> SamplingAudit:
    """Return the audit of `steps` batches from `rows` rows whose labels are their numbers.

    Sizes are binomial (rows, rate), the counts of a row binomial (steps, rate). Their dispersions are tested by the
    normal approximation of the chi-squared distribution, on both sides.
    """
    sizes, counts = [], np.zeros(rows)
    for step in range(steps):
        entered = torch.cat([batch.y for batch in source.batches(step * source.batch_size, 0)]).numpy()
        sizes.append(len(entered))
        np.add.at(counts, entered, 1)
    return SamplingAudit(_dispersion(np.array(sizes), rows, rate), _dispersion(counts, steps, rate))


def _dispersion(values: np.ndarray, total: int, rate: float) -> float:
    """Return the two-sided p-value of sum (v - n q)^2 / (n q (1 - q)) (Wilson and Hilferty 1931)."""
    count = len(values)
    statistic = float(((values - total * rate) ** 2).sum() / (total * rate * (1 - rate)))
    z = ((statistic / count) ** (1 / 3) - (1 - 2 / (9 * count))) / math.sqrt(2 / (9 * count))
    return math.erfc(abs(z) / math.sqrt(2))


def inputs_are_independent(first: BatchSource, second: BatchSource, rows: int) -> bool:
    """Return whether the inputs of common rows are the same bits in data that differ in their last row.

    Labels are numbers of rows; `rows` is the number of common ones. Inputs scaled by the data's own range are not.
    """
    inputs = []
    for source in (first, second):
        entered: dict[int, Tensor] = {}
        for step in range(8 * rows):
            for batch in source.batches(step * source.batch_size, 0):
                entered |= dict(zip(batch.y.tolist(), batch.x, strict=True))
        inputs.append(entered)
    return all(torch.equal(inputs[0][k], inputs[1][k]) for k in inputs[0].keys() & inputs[1].keys() if k < rows)

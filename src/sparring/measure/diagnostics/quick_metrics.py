"""Cheap metrics of up to a thousand samples, `[N, ...]`, for monitoring: a few milliseconds each.

They have no intervals and are exact only up to float32: `measure.scores.prdc` has both, at thirty times the cost.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOURS = 5
"""Index k of the neighbour that sets the radius of a ball (Naeem et al. 2020)."""


def coverage(x: Tensor, y: Tensor, k: int = NEIGHBOURS) -> float:
    """Return the fraction of data y with a sample of x nearer than their k-th neighbour (Naeem et al. 2020, Eq. 4).

    NaN if y has k rows or fewer.
    """
    if len(y) <= k:
        return float("nan")
    x, y = x.flatten(1), y.flatten(1)
    radii = torch.cdist(y, y).kthvalue(k + 1).values  # the nearest is the row itself
    return float((torch.cdist(y, x).amin(1) <= radii).float().mean())


def nearest_other(x: Tensor) -> Tensor:
    """Return the distance `[N]` of each row to its nearest other row."""
    x = x.flatten(1)
    return torch.cdist(x, x).fill_diagonal_(torch.inf).amin(1)


def variety(x: Tensor, y: Tensor) -> float:
    """Return the mean distance of samples x to their nearest other sample, relative to that of the data y.

    1: as varied as the data. Near 0: few distinct samples. x and y should have equal numbers of rows. NaN if all rows
    of y are equal.
    """
    return float(nearest_other(x).mean() / nearest_other(y).mean())


def win_rate(a: Tensor, b: Tensor) -> float:
    """Return the fraction of pairs where a value of `a` `[N]` exceeds one of `b` `[M]`; ties count half (ROC AUC)."""
    difference = a[:, None] - b
    return float((difference > 0).float().mean() + (difference == 0).float().mean() / 2)


def near_duplicates(x: Tensor, y: Tensor, quantile: float = 0.01) -> tuple[float, float]:
    """Return the fraction of samples x with a near-duplicate, and the estimated number of distinct samples.

    The birthday test (Arora and Zhang 2017). Near-duplicates are nearer to each other than the `quantile` of the
    nearest-other distances of the data y, of equal number. Of n draws from m equally likely points, about n^2 / 2m
    pairs are equal.
    """
    x, y = x.flatten(1), y.flatten(1)
    limit = torch.quantile(nearest_other(y), quantile)
    pairs = int((torch.pdist(x) < limit).sum())
    return float((nearest_other(x) < limit).float().mean()), len(x) ** 2 / (2 * max(pairs, 0.5))

"""Split-conformal calibration of predicted intervals (Romano, Patterson and Candès 2019, arXiv:1905.03222)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rows_needed(coverage: float) -> int:
    """Return the smallest number of calibration rows of which an interval of this coverage is bounded.

    >>> rows_needed(0.9)
    9
    """
    return next(n for n in range(1, 1 << 20) if _rank(n, coverage) <= n)


def calibration_size(most: int, coverage: float) -> int:
    """Return a number of calibration rows up to `most`, of which the mean coverage exceeds `coverage` least.

    With N rows it is ceil((N + 1) coverage) / (N + 1). Of equal numbers the largest, and none below three quarters of
    `most`.

    >>> calibration_size(146, 0.9)
    139
    """
    sizes = range(most, max(most * 3 // 4, 1) - 1, -1)
    return min(sizes, key=lambda n: round(_rank(n, coverage) / (n + 1), 9), default=most)


def _rank(rows: int, coverage: float) -> int:
    return math.ceil((rows + 1) * coverage - 1e-9)


def conformal_correction(low: Tensor, high: Tensor, y: Tensor, coverage: float) -> Tensor:
    """Return how far the ends of the intervals of each number move outwards, `[K]`; inwards where it is negative.

    `low`, `high` and `y` `[N, K]` are of rows that training did not see. An interval of a further such row then holds
    its number with a probability of `coverage` or more, whatever the distribution (Theorem 1); with few ties it is
    below `coverage` + 1 / (N + 1). Infinite with fewer than `rows_needed(coverage)` rows.
    """
    misses = torch.maximum(low - y, y - high)  # Eq. 6
    rank = _rank(len(y), coverage)
    if rank > len(y):
        return torch.full_like(misses[0], torch.inf)
    return misses.sort(0).values[rank - 1]

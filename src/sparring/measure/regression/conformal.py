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
    return next(n for n in range(1, 1 << 20) if math.ceil((n + 1) * coverage - 1e-9) <= n)


def conformal_correction(low: Tensor, high: Tensor, y: Tensor, coverage: float) -> Tensor:
    """Return how far the ends of the intervals of each number move outwards, `[K]`; inwards where it is negative.

    `low`, `high` and `y` `[N, K]` are of rows that training did not see. An interval of a further such row then holds
    its number with a probability of `coverage` or more, whatever the distribution (Theorem 1); with few ties it is
    below `coverage` + 1 / (N + 1). Infinite with fewer than `rows_needed(coverage)` rows.
    """
    misses = torch.maximum(low - y, y - high)  # Eq. 6
    rank = math.ceil((len(y) + 1) * coverage - 1e-9)
    if rank > len(y):
        return torch.full_like(misses[0], torch.inf)
    return misses.sort(0).values[rank - 1]

"""Certify finite codes: a bound of the gap between groups of every decision that is made from the codes alone.

A decision from a code k is a probability f(k) of "yes". Its gap between two groups is |sum_k f(k) (p_0k - p_1k)|, at
most the total variation distance TV = 1/2 sum_k |p_0k - p_1k|. Take n_0 and n_1 rows that the encoder was not
trained on. The estimate of TV is too large on average (Jensen). It falls below its mean by t with a probability of at
most exp(-2 t^2 / (1/n_0 + 1/n_1)) (McDiarmid 1989). So TV <= estimate + sqrt(ln(1/delta) (1/n_0 + 1/n_1) / 2) with
probability 1 - delta. All pairs of groups and all classes share delta (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sparring.measure.leakage.result import Certificate
from sparring.stats.intervals import LEVEL

MAX_CODES = 1024
"""Largest number of distinct rows that count as codes."""
ROWS_PER_CODE = 8
"""Rows for each code, on average, from which distinct rows count as codes: with fewer the bound is empty."""


def codes_of(x: NDArray[np.float32]) -> NDArray[np.int64] | None:
    """Return the number of the code of each row of `x` `[N, d]`; None where there are too many distinct rows."""
    limit = min(MAX_CODES, len(x) // ROWS_PER_CODE)
    if len(np.unique(x[: 4 * limit + 4], axis=0)) > limit:  # most features are dismissed at once
        return None
    distinct, codes = np.unique(x, axis=0, return_inverse=True)
    return codes.reshape(-1).astype(np.int64) if len(distinct) <= limit else None


def distance(codes: NDArray[np.int64], is_first: NDArray[np.bool_]) -> float:
    """Return the total variation distance of the codes of two groups, among their rows."""
    size = int(codes.max()) + 1
    first, second = (np.bincount(codes[side], minlength=size) / side.sum() for side in (is_first, ~is_first))
    return float(np.abs(first - second).sum() / 2)


def slack(sizes: tuple[int, int], delta: float) -> float:
    """Return by how much the true distance may exceed the estimate, but for a probability of `delta`."""
    return math.sqrt(math.log(1 / delta) * (1 / sizes[0] + 1 / sizes[1]) / 2)


def certificate(
    codes: NDArray[np.int64], groups: NDArray[np.int64], names: Sequence[str], label: str | None, tests: int
) -> Certificate:
    """Return the bound for all pairs of groups; `tests` is the number of certificates that share the confidence."""
    pairs = list(combinations(range(len(names)), 2))
    bounds = []
    for pair in pairs:
        side = np.isin(groups, pair)
        is_first = groups[side] == pair[0]
        sizes = int(is_first.sum()), int((~is_first).sum())
        estimate = distance(codes[side], is_first)
        bound = min(estimate + slack(sizes, (1 - LEVEL) / (len(pairs) * tests)), 1.0)
        bounds.append((bound, estimate, (names[pair[0]], names[pair[1]]), sizes))
    bound, estimate, named, sizes = max(bounds)
    return Certificate(label, len(np.unique(codes)), estimate, bound, named, sizes)

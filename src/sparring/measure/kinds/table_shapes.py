"""Shapes and pairs of tables: how alike the distributions of single columns, and of pairs of columns, are.

Shapes: 1 - Kolmogorov-Smirnov distance of numbers, 1 - total variation of words. Pairs: 1 - half the difference of the
correlations of two columns of numbers, 1 - total variation of the joint table where words are among them. Missing
values are left out of both, as in sdmetrics; the largest difference of missing rates is a score of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sparring.measure.kinds.kind_measures import Comparison
from sparring.measure.kinds.table_cells import with_gaps, words_of
from sparring.stats.intervals import Interval, Z

BINS, PAIR_BINS = 1000, 10
"""Ranges of a column of numbers: for its own shape, and in a joint table with words."""
MAX_COLUMNS, MAX_PAIRS = 500, 300
"""Largest numbers of columns and of pairs that are compared; of more a random subset."""
RESAMPLES = 40
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def shapes(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the mean of the shapes, of the pairs, and the largest difference of missing rates."""
    spec = comparison.spec
    fake, real = (with_gaps(spec, side.rows) for side in (comparison.samples, comparison.real))
    is_word = words_of(spec)
    rng = np.random.default_rng([comparison.seed, 31])
    columns = np.arange(len(is_word))
    if len(columns) > MAX_COLUMNS:
        columns = np.sort(rng.permutation(columns)[:MAX_COLUMNS])
    scores = {"shapes": lambda f, r: float(np.mean([_shape(f, r, k, bool(is_word[k])) for k in columns.tolist()]))}
    pairs = list(combinations(columns.tolist(), 2))
    if len(pairs) > MAX_PAIRS:
        pairs = [pairs[k] for k in rng.permutation(len(pairs))[:MAX_PAIRS]]
    if pairs:
        binned = _Binned(real, is_word)
        scores["pairs"] = lambda f, r: float(np.mean([binned.pair(f, r, a, b) for a, b in pairs]))
    if np.isnan(real).any() or np.isnan(fake).any():
        scores["missing_difference"] = _missing
    return {name: _with_interval(score, fake, real, rng) for name, score in scores.items()}


def _with_interval(
    score: Callable[[Floats, Floats], float], fake: Floats, real: Floats, rng: np.random.Generator
) -> Interval:
    """Return a score with a normal interval, by the deviation over resampled rows.

    Resampling adds noise to both sides, and so moves a distance; only its spread is used.
    """
    value = score(fake, real)
    resampled = [
        score(fake[rng.integers(len(fake), size=len(fake))], real[rng.integers(len(real), size=len(real))])
        for _ in range(RESAMPLES)
    ]
    half = Z * float(np.std(resampled, ddof=1))
    return Interval(value, max(value - half, 0.0), min(value + half, 1.0))


def _missing(fake: Floats, real: Floats) -> float:
    return float(np.abs(np.isnan(fake).mean(0) - np.isnan(real).mean(0)).max())


def _shape(fake: Floats, real: Floats, k: int, is_word: bool) -> float:
    """Return how alike a column is; 1 where one side holds no value, as then the missing rates tell."""
    a, b = (side[~np.isnan(side[:, k]), k] for side in (fake, real))
    if not len(a) or not len(b):
        return 1.0
    if is_word:
        return _overlap(a.astype(np.int64), b.astype(np.int64))
    edges = np.unique(np.quantile(b, np.linspace(0, 1, BINS + 1), method="nearest"))
    below, upto = (
        [np.searchsorted(np.sort(side), edges, where) / len(side) for side in (a, b)] for where in ("left", "right")
    )
    return 1 - float(max(np.abs(below[0] - below[1]).max(), np.abs(upto[0] - upto[1]).max()))


def _overlap(a: Codes, b: Codes) -> float:
    """Return 1 - the total variation of two sets of codes."""
    size = int(max(a.max(), b.max())) + 1
    p, q = (np.bincount(side, minlength=size) / len(side) for side in (a, b))
    return 1 - float(np.abs(p - q).sum() / 2)


class _Binned:
    """Pairs of columns, numbers beside words cut at quantiles of the real rows."""

    def __init__(self, real: Floats, is_word: NDArray[np.bool_]) -> None:
        self.is_word = is_word
        quantiles = np.linspace(0, 1, PAIR_BINS + 1)[1:-1]
        known = [column[~np.isnan(column)] for column in real.T]
        self.edges = [np.unique(np.quantile(column, quantiles)) if len(column) else np.zeros(0) for column in known]

    def pair(self, fake: Floats, real: Floats, a: int, b: int) -> float:
        """Return how alike a pair of columns is."""
        there = [side[~np.isnan(side[:, [a, b]]).any(1)][:, [a, b]] for side in (fake, real)]
        if min(map(len, there)) < 2:
            return 1.0
        if not self.is_word[a] and not self.is_word[b]:
            return 1 - abs(_correlation(there[0]) - _correlation(there[1])) / 2
        joint = [self._code(side[:, 0], a) * (1 << 20) + self._code(side[:, 1], b) for side in there]
        _, codes = np.unique(np.concatenate(joint), return_inverse=True)
        return _overlap(codes[: len(joint[0])], codes[len(joint[0]) :])

    def _code(self, values: Floats, k: int) -> Codes:
        return values.astype(np.int64) if self.is_word[k] else np.searchsorted(self.edges[k], values, "right")


def _correlation(pairs: Floats) -> float:
    """Return Pearson's correlation; 0 for a constant column."""
    x, y = (pairs - pairs.mean(0)).T
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else 0.0

"""How sure a score is: the bootstrap over each row's pull on it, and the exact interval of a share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

LEVEL = 0.95
"""Of all intervals."""
Z = 1.959964
"""Quantile of the standard normal distribution for a two-sided interval of 95 %."""
RESAMPLES = 1000
AT_ONCE = 1 << 22
"""Drawn row numbers that are held in memory together."""


@dataclass(frozen=True)
class Estimate:
    """A score of samples `x` `[N, ...]` against data `y` `[M, ...]`, and how far each row of either pulls it.

    The pull of row i is (N - 1)(score - score without the row), or the influence function's value there; its mean is 0.
    A resampled set moves the score by the mean pull of its rows, to first order (the infinitesimal jackknife, Efron and
    Tibshirani 1993, chapter 20): so one pass over the data gives a bootstrap, where computing the score a thousand times
    would take hours, and would be wrong where drawing a row twice makes a neighbour at distance 0.
    """

    value: float
    x: Tensor
    """`[N]`"""
    y: Tensor
    """`[M]`"""

    def interval(self, *, least: float = -math.inf, most: float = math.inf, seed: int = 0) -> tuple[float, float]:
        """The ends of the 95 % bootstrap interval, cut to what the score can be.

        It covers the score's mean over fresh sets of N and M rows: what samples of just this number would read. Where
        a score's value moves with the number of rows (`frechet_distance`), so does what its interval covers.
        """
        drawn = resampled_means(self.x, seed) + resampled_means(self.y, seed + 1)
        ends = torch.quantile(drawn, torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64))
        return max(self.value + float(ends[0]), least), min(self.value + float(ends[1]), most)


def resampled_means(values: Tensor, seed: int = 0) -> Tensor:
    """Means `[RESAMPLES]` of as many rows of `values` `[N]`, drawn with replacement; float64."""
    generator = torch.Generator().manual_seed(seed)
    values = values.double().cpu()
    n, each = len(values), max(AT_ONCE // len(values), 1)
    parts = [min(each, RESAMPLES - first) for first in range(0, RESAMPLES, each)]
    return torch.cat([values[torch.randint(n, (part, n), generator=generator)].mean(1) for part in parts])


def wilson_interval(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): never outside [0, 1], and right for shares near its ends.

    >>> [round(end, 4) for end in wilson_interval(0, 100)]
    [0.0, 0.037]
    """
    if not 0 <= hits <= of or of < 1:
        raise ValueError(f"hits must be between 0 and of, and of 1 or more, not {hits} of {of}")
    share, z2 = hits / of, Z * Z / of
    middle = (share + z2 / 2) / (1 + z2)
    half = Z * math.sqrt(share * (1 - share) / of + z2 / (4 * of)) / (1 + z2)
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == of else middle + half)


def binomial_interval(hits: int, of: int) -> tuple[float, float]:
    """The exact 95 % interval of a share (Clopper and Pearson 1934): it covers the truth at least so often."""
    tail = (1 - LEVEL) / 2
    return binomial_lower(hits, of, tail), 1 - binomial_lower(of - hits, of, tail)


def binomial_lower(hits: int, of: int, alpha: float) -> float:
    """The exact lower bound of a share (Clopper and Pearson 1934): the truth is below it with probability `alpha` at most."""
    if not 0 <= hits <= of or of < 1:
        raise ValueError(f"hits must be between 0 and of, and of 1 or more, not {hits} of {of}")
    chance = _at_least(hits, of)
    return 0.0 if hits == 0 else _bisect(lambda p: chance(p) - alpha)


def binomial_test(hits: int, of: int) -> float:
    """The chance that a fair coin falls at least as unevenly as `hits` times in `of`, on either side: the exact test's p."""
    return min(2 * _at_least(max(hits, of - hits), of)(0.5), 1.0)


def _at_least(hits: int, of: int) -> Callable[[float], float]:
    """The chance of `hits` or more in `of` draws, as a function of the share."""
    k = torch.arange(hits, of + 1, dtype=torch.float64)
    whole = torch.tensor(float(of + 1), dtype=torch.float64)
    ways = torch.lgamma(whole) - torch.lgamma(k + 1) - torch.lgamma(of - k + 1)

    def chance(p: float) -> float:
        if not 0 < p < 1:
            return float(p >= 1)
        return min(float((ways + k * math.log(p) + (of - k) * math.log1p(-p)).exp().sum()), 1.0)

    return chance


def _bisect(rising: Callable[[float], float]) -> float:
    """Where a rising function on [0, 1] crosses 0."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2

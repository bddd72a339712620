"""Intervals of differences of proportions, and of the largest of several such differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sparring.stats.intervals import LEVEL, Interval, mean_of_intervals, wilson_ends


@dataclass(frozen=True)
class Mean:
    """Mean of values in [0, 1] of `count` rows: a proportion, or one of answers that are given by chance."""

    value: float
    count: int

    def ends(self, z: float) -> tuple[float, float]:
        """Return the ends of its Wilson score interval at the normal quantile `z`; (0, 1) without rows."""
        return wilson_ends(min(max(self.value, 0.0), 1.0), self.count, z) if self.count else (0.0, 1.0)


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    return float(torch.special.ndtri(torch.tensor(probability, dtype=torch.float64)))


def difference_ends(a: Mean, b: Mean, z: float) -> tuple[float, float]:
    """Return the ends of the interval of a - b from those of a and b (Newcombe 1998, method 10)."""
    (low_a, high_a), (low_b, high_b) = a.ends(z), b.ends(z)
    below = math.hypot(a.value - low_a, high_b - b.value)
    above = math.hypot(high_a - a.value, b.value - low_b)
    return a.value - b.value - below, a.value - b.value + above


def largest_difference(pairs: Sequence[tuple[Mean, Mean]]) -> Interval:
    """Return the largest |a - b| of several pairs with its interval, which covers with 95 % or a little more.

    The upper end is the largest upper end of all pairs: that of the pair with the truly largest difference is among
    them. The lower end needs room for all pairs whose interval reaches the largest difference, since each of them may
    be the one that is too high by chance: Bonferroni. No pairs: nothing is known, 0 to 1.
    """
    if not pairs:
        return Interval(math.nan, 0.0, 1.0)
    tail = (1 - LEVEL) / 2
    value = max(abs(a.value - b.value) for a, b in pairs)
    highs = [max(map(abs, difference_ends(a, b, normal_quantile(1 - tail)))) for a, b in pairs]
    rivals = sum(high >= value for high in highs)
    ends = [difference_ends(a, b, normal_quantile(1 - tail / rivals)) for a, b in pairs]
    lows = [0.0 if low <= 0 <= high else min(abs(low), abs(high)) for low, high in ends]
    return Interval(value, min(max(lows), value), min(max(highs), 1.0))


def mean_of_proportions(means: Sequence[Mean]) -> Interval:
    """Return the mean of independent proportions with its interval, by the distances of their Wilson ends."""
    z = normal_quantile((1 + LEVEL) / 2)
    return mean_of_intervals([Interval(mean.value, *mean.ends(z)) for mean in means])

"""Compute 95 % confidence intervals: Wilson, Clopper-Pearson, normal, and the bootstrap of influence values.

Sparring has its own since scipy is not among its dependencies; the tests compare them with scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LEVEL = 0.95
"""Confidence level of all intervals."""
Z = 1.959964
"""Quantile of the standard normal distribution for a two-sided interval of 95 %."""
RESAMPLES = 1000
CHUNK_INDICES = 1 << 22
"""Largest number of drawn row indices held in memory together."""


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 1, unit: float = 100) -> str:
        """Return the value and its ends, times `unit`: percent by default."""
        value, low, high = (f"{unit * number:.{digits}f}" for number in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"

    def to_json(self) -> dict[str, float]:
        """Return the three numbers by name."""
        return {name: round(number, 6) for name, number in vars(self).items()}


@dataclass(frozen=True)
class Estimate:
    """Score of samples `x` `[N, ...]` against data `y` `[M, ...]`, with the influence of each row of either.

    The influence of row i is (N - 1)(score - score without the row), or the influence function's value there; its mean
    is 0. A resampled set changes the score by the mean influence of its rows, to first order (the infinitesimal
    jackknife; Efron and Tibshirani 1993, chapter 20). One pass over the data thus gives a bootstrap. To compute the
    score of 1,000 resampled sets would take hours, and would be wrong for nearest neighbours: a row that occurs twice
    is its own neighbour at distance 0.
    """

    value: float
    x: Tensor
    """Influence of each sample, `[N]`."""
    y: Tensor
    """Influence of each row of the data, `[M]`."""

    def interval(self, *, least: float = -math.inf, most: float = math.inf, seed: int = 0) -> tuple[float, float]:
        """Return the ends of the 95 % bootstrap interval, cut to the score's range `least` to `most`.

        It covers the mean of the score over fresh sets of N and M rows. The interval of a score whose value depends on
        the number of rows (`frechet_distance`) depends on it, too.
        """
        resampled = resampled_means(self.x, seed) + resampled_means(self.y, seed + 1)
        low, high = ends_of(resampled)
        return max(self.value + low, least), min(self.value + high, most)


def ends_of(resampled: Tensor) -> tuple[float, float]:
    """Return the ends of the 95 % bootstrap interval of a statistic, from its values on resampled sets; float64."""
    low, high = torch.quantile(resampled, torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64))
    return float(low), float(high)


def resampled_means(values: Tensor, seed: int = 0) -> Tensor:
    """Return the means of RESAMPLES sets of N values, drawn with replacement from `values` `[N]`; float64."""
    generator = torch.Generator().manual_seed(seed)
    values = values.double().cpu()
    n, per_chunk = len(values), max(CHUNK_INDICES // len(values), 1)
    chunks = [min(per_chunk, RESAMPLES - first) for first in range(0, RESAMPLES, per_chunk)]
    return torch.cat([values[torch.randint(n, (chunk, n), generator=generator)].mean(1) for chunk in chunks])


def mean_of_intervals(parts: Sequence[Interval]) -> Interval:
    """Return the mean of independent estimates in [0, 1], with its interval by the distances to their ends.

    The squares of these distances add up (MOVER; Zou and Donner 2008).
    """
    count = len(parts)
    value = sum(part.value for part in parts) / count
    below = math.sqrt(sum((part.value - part.low) ** 2 for part in parts)) / count
    above = math.sqrt(sum((part.high - part.value) ** 2 for part in parts)) / count
    return Interval(value, max(value - below, 0.0), min(value + above, 1.0))


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """Return the ends of the Wilson score interval of a proportion (Wilson 1927), within [0, 1].

    Raises ValueError unless 0 <= hits <= total and total >= 1.

    >>> [round(end, 4) for end in wilson_interval(0, 100)]
    [0.0, 0.037]
    """
    _check(hits, total)
    low, high = wilson_ends(hits / total, total)
    return (0.0 if hits == 0 else low), (1.0 if hits == total else high)


def wilson_ends(value: float, total: int, z: float = Z) -> tuple[float, float]:
    """Return the ends of the Wilson score interval of a mean of `total` values in [0, 1], at the normal quantile `z`.

    A mean of probabilities varies less than a proportion, so that its interval is on the safe side.
    """
    z2 = z * z / total
    center = (value + z2 / 2) / (1 + z2)
    half = z * math.sqrt(value * (1 - value) / total + z2 / (4 * total)) / (1 + z2)
    return max(center - half, 0.0), min(center + half, 1.0)


def clopper_pearson_interval(hits: int, total: int) -> tuple[float, float]:
    """Return the ends of the exact interval of a proportion (Clopper and Pearson 1934): its coverage is 95 % or more.

    Raises ValueError unless 0 <= hits <= total and total >= 1.
    """
    tail = (1 - LEVEL) / 2
    return clopper_pearson_lower(hits, total, tail), 1 - clopper_pearson_lower(total - hits, total, tail)


def clopper_pearson_lower(hits: int, total: int, alpha: float) -> float:
    """Return the exact lower bound of a proportion: the true one is below it with probability `alpha` at most.

    Raises ValueError unless 0 <= hits <= total and total >= 1.
    """
    _check(hits, total)
    tail = _upper_tail(hits, total)
    return 0.0 if hits == 0 else _bisect(lambda p: tail(p) - alpha)


def normal_interval(values: Tensor) -> tuple[float, float]:
    """Return the normal interval of the mean of `values` `[N]` in [0, 1], cut to [0, 1]; (0, 1) for a single value."""
    mean = float(values.mean())
    half = Z * float(values.std(correction=1)) / len(values) ** 0.5 if len(values) > 1 else 1.0
    return max(mean - half, 0.0), min(mean + half, 1.0)


def binomial_test(hits: int, total: int) -> float:
    """Return the two-sided p-value of the exact binomial test of a probability of 1/2."""
    return min(2 * _upper_tail(max(hits, total - hits), total)(0.5), 1.0)


def _check(hits: int, total: int) -> None:
    if not 0 <= hits <= total or total < 1:
        raise ValueError(f"hits must be between 0 and total, and total 1 or more, not {hits} of {total}")


def _upper_tail(hits: int, total: int) -> Callable[[float], float]:
    """Return the probability of `hits` or more in `total` draws, as a function of the probability of a hit."""
    k = torch.arange(hits, total + 1, dtype=torch.float64)
    n = torch.tensor(float(total + 1), dtype=torch.float64)
    log_binomial = torch.lgamma(n) - torch.lgamma(k + 1) - torch.lgamma(total - k + 1)

    def tail(p: float) -> float:
        if not 0 < p < 1:
            return float(p >= 1)
        return min(float((log_binomial + k * math.log(p) + (total - k) * math.log1p(-p)).exp().sum()), 1.0)

    return tail


def _bisect(increasing: Callable[[float], float]) -> float:
    """Return the root of an increasing function on [0, 1]."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if increasing(middle) > 0 else (middle, high)
    return (low + high) / 2

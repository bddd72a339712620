"""Stylised facts of series as functions of means over windows, so that a bootstrap of windows costs one product.

Cont 2001, "Empirical properties of asset returns: stylized facts and statistical issues". Windows `[N, C, T]` are taken
as they come: their means are subtracted over all windows together, not within each, which would bias short ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MAX_LAG = 20
"""Longest lag in steps; a quarter of a window at most."""
TAIL_FRACTION = 0.05
"""Fraction of the largest absolute values that the tail index looks at (Hill 1975)."""
EPS = 1e-300


@dataclass(frozen=True)
class Fact:
    """A statistic of a set of windows."""

    sums: Callable[[Floats], Floats]
    """Windows `[N, C, T]` -> numbers of each window, `[N, S]`."""
    value: Callable[[Floats], Floats]
    """Means of these over windows, `[..., S]` -> the statistic, `[..., F]`."""

    def __call__(self, x: Floats) -> Floats:
        """Return the statistic of windows `[N, C, T]`, `[F]`."""
        return self.value(self.sums(x).mean(0))


def lags_of(steps: int) -> range:
    """Return the lags that windows of this many steps allow."""
    return range(1, max(min(MAX_LAG, steps // 4), 1) + 1)


def autocorrelation(transform: Callable[[Floats], Floats], steps: int) -> Fact:
    """Build the autocorrelation of `transform` of the values, at each lag and channel."""
    return _lagged(transform, transform, steps)


def leverage(steps: int) -> Fact:
    """Build the correlation of a value with later absolute values: below 0 where falls are followed by large moves."""
    return _lagged(lambda x: x, np.abs, steps)


def _lagged(first: Callable[[Floats], Floats], second: Callable[[Floats], Floats], steps: int) -> Fact:
    """Build corr(first(x_t), second(x_t+k)) for each lag k, `[lags x channels]`."""
    lags = lags_of(steps)

    def sums(x: Floats) -> Floats:
        a, b = first(x), second(x)
        products = [(a[..., : x.shape[2] - k] * b[..., k:]).mean(2) for k in lags if k < x.shape[2]]
        return np.concatenate([a.mean(2), b.mean(2), (a * a).mean(2), (b * b).mean(2), *products], 1)

    def value(means: Floats) -> Floats:
        parts = means.reshape(*means.shape[:-1], -1, _channels(means, lags, steps))
        a, b, aa, bb = (parts[..., k : k + 1, :] for k in range(4))
        scale = np.sqrt(np.maximum((aa - a * a) * (bb - b * b), EPS))
        return ((parts[..., 4:, :] - a * b) / scale).reshape(*means.shape[:-1], -1)

    return Fact(sums, value)


def _channels(means: Floats, lags: range, steps: int) -> int:
    count: int = means.shape[-1]
    return count // (4 + sum(k < steps for k in lags))


def kurtosis() -> Fact:
    """Build E (x - E x)^4 / var^2 of each channel; 3 of a normal distribution."""

    def sums(x: Floats) -> Floats:
        return np.concatenate([(x**power).mean(2) for power in (1, 2, 3, 4)], 1)

    def value(means: Floats) -> Floats:
        m1, m2, m3, m4 = np.split(means, 4, -1)
        central = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
        return central / np.maximum((m2 - m1**2) ** 2, EPS)

    return Fact(sums, value)


def tail_index(x: Floats) -> Fact:
    """Build Hill's estimate of the tail index of absolute values of each channel; smaller is heavier.

    The threshold is the quantile of `x` `[N, C, T]`, and stays fixed when windows are drawn anew.
    """
    threshold = np.quantile(np.abs(x), 1 - TAIL_FRACTION, axis=(0, 2))[:, None]

    def sums(x: Floats) -> Floats:
        beyond = np.abs(x) > threshold
        logs = np.log(np.maximum(np.abs(x), EPS) / np.maximum(threshold, EPS)) * beyond
        return np.concatenate([beyond.mean(2), logs.mean(2)], 1)

    def value(means: Floats) -> Floats:
        count, logs = np.split(means, 2, -1)
        return count / np.maximum(logs, EPS)

    return Fact(sums, value)


def cross_correlation(channels: int) -> Fact:
    """Build the correlations of each pair of channels at the same step."""
    first, second = np.triu_indices(channels, 1)

    def sums(x: Floats) -> Floats:
        products = (x[:, first] * x[:, second]).mean(2)
        return np.concatenate([x.mean(2), (x * x).mean(2), products], 1)

    def value(means: Floats) -> Floats:
        mean, square, products = np.split(means, [channels, 2 * channels], -1)
        variance = np.maximum(square - mean**2, EPS)
        covariance = products - mean[..., first] * mean[..., second]
        correlation: Floats = covariance / np.sqrt(variance[..., first] * variance[..., second])
        return correlation

    return Fact(sums, value)


def spectrum(channels: int) -> Fact:
    """Build the logarithm of the power at each frequency above 0, relative to the mean power, for each channel."""

    def sums(x: Floats) -> Floats:
        return (np.abs(np.fft.rfft(x, axis=2)[..., 1:]) ** 2).reshape(len(x), -1)

    def value(means: Floats) -> Floats:
        power = means.reshape(*means.shape[:-1], channels, -1)
        relative = power / np.maximum(power.mean(-1, keepdims=True), EPS)
        logs: Floats = np.log(np.maximum(relative, EPS))
        return logs.reshape(*means.shape[:-1], -1)

    return Fact(sums, value)

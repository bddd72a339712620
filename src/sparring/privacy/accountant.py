"""Account for differential privacy: epsilon from noise, noise from epsilon, for the mechanisms that Sparring uses.

Neighbouring data differ in one row, added or removed. A noise multiplier is the standard deviation of Gaussian noise
over the L2 sensitivity. Own code, since the libraries that do this need scipy; a test compares them to 1e-3.

- Analytic Gaussian mechanism: exact (Balle and Wang 2018, arXiv:1805.06530, Theorem 8).
- zCDP (Bun and Steinke 2016) and RDP with the tight conversion to (epsilon, delta) (Canonne, Kamath and Steinke 2020,
  arXiv:2004.00010, Proposition 12).
- Poisson-subsampled Gaussian: RDP of integer orders, exact (Mironov, Talwar and Zhang 2019, arXiv:1908.10530, Eq. 6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

ORDERS = (*range(2, 65), *range(68, 257, 4), *range(272, 1025, 16))
"""Orders of Renyi divergence, over which epsilon is minimised."""
TOLERANCE = 1e-6
"""Relative width of the interval at which a bisection stops."""
MAX_NOISE = 1e6
"""Largest noise multiplier that is searched."""


def gaussian_epsilon(noise_multiplier: float, delta: float) -> float:
    """Return the epsilon of one Gaussian mechanism at `delta`, exactly; infinity without noise."""
    if noise_multiplier <= 0:
        return math.inf
    if _gaussian_delta(noise_multiplier, 0.0) <= delta:
        return 0.0
    high = 1.0
    while _gaussian_delta(noise_multiplier, high) > delta:
        high *= 2
    return _bisect(lambda epsilon: _gaussian_delta(noise_multiplier, epsilon) <= delta, 0.0, high)


def gaussian_noise(epsilon: float, delta: float) -> float:
    """Return the smallest noise multiplier of one Gaussian mechanism that gives (`epsilon`, `delta`)."""
    return _smallest_noise(lambda noise: _gaussian_delta(noise, epsilon) <= delta)


def _gaussian_delta(noise: float, epsilon: float) -> float:
    """Return Phi(1/(2s) - es) - e^epsilon Phi(-1/(2s) - es), the smallest delta (Balle and Wang 2018, Eq. 6)."""
    log_first = _log_normal_cdf(0.5 / noise - epsilon * noise)
    log_second = epsilon + _log_normal_cdf(-0.5 / noise - epsilon * noise)
    return math.exp(log_first) * -math.expm1(min(log_second - log_first, 0.0))


def _log_normal_cdf(x: float) -> float:
    """Return log Phi(x); below -30 by the first terms of its asymptotic series."""
    if x > -30:
        return math.log(0.5 * math.erfc(-x / math.sqrt(2)))
    return -x * x / 2 - math.log(-x * math.sqrt(2 * math.pi)) + math.log1p(-1 / (x * x) + 3 / x**4)


def zcdp_epsilon(rho: float, delta: float) -> float:
    """Return the epsilon at `delta` of `rho`-zCDP: the minimum over real orders of the tight conversion."""
    if rho <= 0:
        return 0.0

    def epsilon(log_excess: float) -> float:
        order = 1 + math.exp(log_excess)
        return _converted(rho * order * (order - 1), order, delta)

    low, high = -12.0, 25.0
    for _ in range(120):  # ternary search: the bound has one minimum
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if epsilon(left) < epsilon(right) else (left, high)
    return max(epsilon((low + high) / 2), 0.0)


def zcdp_rho(epsilon: float, delta: float) -> float:
    """Return the largest rho whose zCDP gives (`epsilon`, `delta`)."""
    low, high = 0.0, max(epsilon, 1.0)
    while high - low > TOLERANCE * high:
        middle = (low + high) / 2
        low, high = (middle, high) if zcdp_epsilon(middle, delta) <= epsilon else (low, middle)
    return low


def subsampled_gaussian_rdp(
    sampling_rate: float, noise_multiplier: float, orders: Sequence[int] = ORDERS
) -> NDArray[np.float64]:
    """Return the RDP `[len(orders)]` of one step of the Gaussian mechanism on a Poisson sample of the rows.

    `sampling_rate` is the probability of a row, in [0, 1]. Infinite without noise.
    """
    return np.array([_log_moment(sampling_rate, noise_multiplier, a) / (a - 1) for a in orders])


def _log_moment(rate: float, noise: float, order: int) -> float:
    """Return log of sum_k C(a, k) (1 - q)^(a - k) q^k exp((k^2 - k) / (2 s^2))."""
    if rate == 0:
        return 0.0
    if noise <= 0:
        return math.inf
    k = np.arange(order + 1, dtype=np.float64)
    if rate == 1:
        return order * (order - 1) / (2 * noise**2)
    terms = _log_binomials(order) + k * math.log(rate) + (order - k) * math.log1p(-rate) + k * (k - 1) / (2 * noise**2)
    largest = float(terms.max())
    return largest + math.log(float(np.exp(terms - largest).sum()))


@cache
def _log_binomials(order: int) -> NDArray[np.float64]:
    """Return log C(order, k) for k = 0, ..., order."""
    return np.array(
        [math.lgamma(order + 1) - math.lgamma(k + 1) - math.lgamma(order - k + 1) for k in range(order + 1)]
    )


def rdp_epsilon(rdp: NDArray[np.float64], delta: float, orders: Sequence[int] = ORDERS) -> float:
    """Return the epsilon at `delta` of Renyi divergences at `orders`: the minimum of the tight conversion."""
    if not rdp.any():
        return 0.0
    converted = (_converted(float(value) * (order - 1), order, delta) for value, order in zip(rdp, orders, strict=True))
    return max(min(converted), 0.0)


def _converted(log_moment: float, order: float, delta: float) -> float:
    """Return the epsilon of one order a: rdp + log((a - 1) / a) - (log delta + log a) / (a - 1)."""
    excess = order - 1
    return (log_moment - math.log(delta) - math.log(order)) / excess + math.log(excess / order)


def sgd_epsilon(sampling_rate: float, noise_multiplier: float, steps: int, delta: float) -> float:
    """Return the epsilon at `delta` of DP-SGD: `steps` Gaussian mechanisms, each on a Poisson sample of the rows."""
    return rdp_epsilon(steps * subsampled_gaussian_rdp(sampling_rate, noise_multiplier), delta)


def sgd_noise(epsilon: float, delta: float, sampling_rate: float, steps: int) -> float:
    """Return the smallest noise multiplier with which `steps` steps of DP-SGD give (`epsilon`, `delta`)."""
    return _smallest_noise(lambda noise: sgd_epsilon(sampling_rate, noise, steps, delta) <= epsilon)


def _smallest_noise(suffices: Callable[[float], bool]) -> float:
    """Return the smallest noise multiplier that `suffices`, from above; infinity where none up to 1e6 does."""
    high = 1.0
    while not suffices(high):
        high *= 2
        if high > MAX_NOISE:
            return math.inf
    low = high / 2 if high > 1 else 0.0
    return _bisect(suffices, low, high)


def _bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return the smallest value in (low, high] at which `holds`, which stays true above it, to TOLERANCE from above."""
    while high - low > TOLERANCE * high:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high

"""Features of bars that trading models use, as differentiable functions of prices and volumes.

Bars are `[B, 5, T]`: open, high, low, close, volume. Features are recomputed from them inside the model, so that an
attack changes what can be traded, and gradients flow to it.
"""

from __future__ import annotations

import torch
from torch import Tensor

LAGS = 10
"""Bars whose single returns are features."""
HORIZONS = (5, 10, 20, 40)
"""Bars of the longer returns."""
RECENT = 3
"""Bars whose range, place in the range and volume are features."""
LAGGED_FEATURES = LAGS + len(HORIZONS) + 2 + 3 * RECENT
"""Number of `lagged_features`."""
STEP_FEATURES = 4
"""Number of `step_features` of a bar."""
SHORTEST = max(HORIZONS) + 2
"""Bars of the shortest window."""


def volatility(bars: Tensor) -> Tensor:
    """Return the standard deviation of the log returns in each window, `[B, 1]`."""
    return bars[:, 3].log().diff(dim=1).std(1, keepdim=True) + 1e-6


def lagged_features(bars: Tensor) -> Tensor:
    """Return features of windows `[B, 5, T]`, T >= SHORTEST, `[B, LAGGED_FEATURES]`, each of the order of 1.

    Returns of the last bars and over longer horizons in units of their volatility, the distance to two moving
    averages, and of the last bars range, place of the close in the range, and volume relative to its mean.
    """
    close, sigma = bars[:, 3].log(), volatility(bars)
    single = close.diff(dim=1)[:, -LAGS:] / sigma
    longer = [(close[:, -1:] - close[:, -1 - k : -k]) / (sigma * k**0.5) for k in HORIZONS]
    averages = [(close[:, -1:] - close[:, -k:].mean(1, keepdim=True)) / (sigma * k**0.5) for k in (10, 40)]
    steps = step_features(bars)[:, 1:, -RECENT:].flatten(1)
    return torch.cat([single, *longer, *averages, steps], 1)


def step_features(bars: Tensor) -> Tensor:
    """Return features of each bar but the first of windows `[B, 5, T]`, `[B, 4, T - 1]`.

    Return, range and place of the close in the range from -1 to 1, and log volume relative to the window's mean.
    """
    _, high, low, close, volume = bars.unbind(1)
    sigma = volatility(bars)
    spread = high.log() - low.log()
    place = (2 * close - high - low) / (high - low + 1e-4 * close)
    amount = (volume + 1).log()
    steps = [
        close.log().diff(dim=1) / sigma,
        spread[:, 1:] / sigma,
        place[:, 1:],
        (amount - amount.mean(1, True))[:, 1:],
    ]
    return torch.stack(steps, 1)

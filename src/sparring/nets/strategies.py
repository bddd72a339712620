"""Trading strategies as modules: bars `[B, 5, T]` (open, high, low, close, volume) -> score `[B]`, above 0 is long.

Rules score in units of volatility. Networks read features that are recomputed from the bars.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from sparring.nets.price_features import LAGGED_FEATURES, STEP_FEATURES, lagged_features, step_features, volatility

Strategy = Callable[[Tensor], Tensor]
"""Bars `[B, 5, T]` -> score `[B]`."""


class MovingAverage(nn.Module):
    """The crossing of two moving averages of the close: long where the fast one is above the slow one."""

    def __init__(self, fast: int = 10, slow: int = 50) -> None:
        super().__init__()
        self.fast, self.slow = fast, slow

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores."""
        close = bars[:, 3]
        difference = close[:, -self.fast :].mean(1) - close[:, -self.slow :].mean(1)
        return difference / (close[:, -self.slow :].mean(1) * volatility(bars)[:, 0])


class Momentum(nn.Module):
    """The sign of the return over `lookback` bars."""

    def __init__(self, lookback: int = 20) -> None:
        super().__init__()
        self.lookback = lookback

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores."""
        close = bars[:, 3].log()
        return (close[:, -1] - close[:, -1 - self.lookback]) / volatility(bars)[:, 0]


class ThresholdedNet(nn.Module):
    """A network whose score is its output minus a threshold that is set after training."""

    threshold: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("threshold", torch.zeros(()))

    def features(self, bars: Tensor) -> Tensor:
        """Return what `score` reads, float32."""
        raise NotImplementedError

    def score(self, features: Tensor) -> Tensor:
        """Map features to outputs `[B]`, without the threshold."""
        raise NotImplementedError

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores, in the precision of the bars."""
        return (self.score(self.features(bars)) - self.threshold).to(bars.dtype)


class StrategyMLP(ThresholdedNet):
    """Two hidden layers on lagged features."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LAGGED_FEATURES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)
        )

    def features(self, bars: Tensor) -> Tensor:
        """Return the lagged features `[B, F]`, limited to +-5."""
        return limited(lagged_features(bars)).float()

    def score(self, features: Tensor) -> Tensor:
        """Map features to outputs."""
        return cast(Tensor, self.layers(features)).squeeze(1)


class StrategyTCN(ThresholdedNet):
    """Causal dilated convolutions with residuals (Bai, Kolter and Koltun 2018) on the features of each bar."""

    def __init__(self, width: int = 16, dilations: tuple[int, ...] = (1, 2, 4, 8)) -> None:
        super().__init__()
        self.first = nn.Conv1d(STEP_FEATURES, width, 1)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=dilation) for dilation in dilations)
        self.last = nn.Linear(width, 1)

    def features(self, bars: Tensor) -> Tensor:
        """Return the features of each bar, `[B, 4, T - 1]`, limited to +-5."""
        return limited(step_features(bars)).float()

    def score(self, features: Tensor) -> Tensor:
        """Map features to outputs."""
        h: Tensor = self.first(features)
        for layer in self.layers:
            conv = cast(nn.Conv1d, layer)
            h = h + silu(conv(pad(h, (2 * conv.dilation[0], 0))))
        return cast(Tensor, self.last(h[:, :, -1])).squeeze(1)


def limited(values: Tensor) -> Tensor:
    """Return values limited to +-5 smoothly, so that one day does not rule and gradients stay."""
    return 5 * torch.tanh(values / 5)

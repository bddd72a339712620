"""Windows, decisions and models of the trading suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.attacks.tradable_changes import HISTORY, Market, executed
from sparring.commands.attacking.strategies import MAX_TRAINING
from sparring.engine.errors import SparringError
from sparring.measure.trading.profit import open_returns
from sparring.nets.strategies import Strategy

TRAINING = 0.7
"""Fraction of the bars, the first in time, that strategies learn from."""


@dataclass(frozen=True, eq=False)
class TradingData:
    """Windows to learn from, and later ones to attack; no bar is in both."""

    training: Tensor
    """Windows `[M, 5, T]`, float64, in the order of time."""
    training_returns: Tensor
    """What a long position decided at their last close earns, `[M]`."""
    windows: Tensor
    """Windows to attack, `[N, 5, T]`, consecutive."""
    returns: Tensor
    """What a long position decided at their last close earns, `[N]`."""
    last_bars: range
    """Number of the last bar of each window to attack."""


def trading_data(bars: NDArray[Any], length: int, count: int, market: Market) -> TradingData:
    """Cut bars `[N, 5]` into windows of `length`, and take the last `count` decisions after the training part.

    Raises SparringError where there are too few bars.
    """
    every = torch.from_numpy(bars)
    split = int(len(every) * TRAINING)
    first, end = split + length - 1, len(every) - 2
    if split < 2 * length or end - first < length:
        raise SparringError(
            f"{len(every):,} bars are too few for windows of {length}: give {length * 7:,} or more, or a shorter "
            "--window"
        )
    windows, returns = every.unfold(0, length, 1), open_returns(every)
    first = max(first, end - count)
    last = split - length - 1  # its return ends before the split
    learnt = slice(max(last - MAX_TRAINING, 0), last)
    return TradingData(
        windows[learnt].contiguous(),
        returns[length - 1 :][learnt],
        windows[first - length + 1 : end - length + 1].contiguous(),
        returns[first:end],
        range(first, end),
    )


class TradedModel(nn.Module):
    """A strategy as a classifier of bars with orders: `[B, 9, T]` -> logits of short and long, `[B, 2]`."""

    def __init__(self, strategy: Strategy, market: Market) -> None:
        super().__init__()
        self.strategy, self.market = strategy, market

    def forward(self, x: Tensor) -> Tensor:
        """Execute the orders, and score the bars."""
        half = self.strategy(executed(x, self.market)) / 2
        return torch.stack([-half, half], 1)


def tradable(windows: Tensor, market: Market) -> Tensor:
    """Return which windows `[N, 5, T]` an attacker can trade in, bool `[N]`: volume and volatility above 0."""
    past = windows[:, :, : windows.shape[2] - market.bars][:, :, -HISTORY - 1 :]
    moved = past[:, 3].log().diff(dim=1).std(1) > 0
    return moved & (past[:, 4, 1:].mean(1) > 0) & (windows[:, 4, -market.bars :] > 0).all(1)

"""Profit and loss of positions, with costs of trading, and what orders that turn them cost and gain.

Positions are 1 (long) or -1 (short), one at each bar, decided at its close, filled at the next open and given up at the
open after. All amounts are fractions of the value of an average volume (ADV).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.attacks.tradable_changes import Market, impact_cost

Cost = Callable[[Tensor, Tensor], Tensor]
"""(positions, positions before), `[N]` both -> cost of the trades, `[N]`."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a strategy decides at consecutive bars."""

    positions: Tensor
    """1 or -1 at each bar, `[N]`."""
    returns: Tensor
    """Return from the next open to the open after, `[N]`."""
    sigma: Tensor
    """Volatility of a bar's return as known then, `[N]`."""
    size: float
    """Size of a position in average volumes."""
    market: Market

    def trading_cost(self, positions: Tensor, before: Tensor) -> Tensor:
        """Return impact and fees of going from `before` to `positions`, `[N]` both, as fractions of ADV's value."""
        traded = (positions - before).abs() * self.size
        return impact_cost(traded, self.sigma, self.market) + traded * self.market.fee

    def profit(self) -> Tensor:
        """Return what each decision earns after costs, as a fraction of the position's value, `[N]`."""
        before = torch.cat([self.positions[:1], self.positions[:-1]])
        return self.positions * self.returns - self.trading_cost(self.positions, before) / self.size

    def loss_if_turned(self, turned: Tensor) -> Tensor:
        """Return what each decision loses where orders turn it alone, as a fraction of the position's value, `[N]`.

        The bool mask `turned` is `[N]`; the decisions before and after stay what they were.
        """
        return self._effect(turned, self.trading_cost)

    def gain_if_turned(self, turned: Tensor) -> Tensor:
        """Return what those gain who take the other side of each turned decision, as a fraction of ADV's value, `[N]`.

        It is the most that the attacker can gain: the strategy's loss without the fees, which others receive.
        """
        return self.size * self._effect(turned, self._impact)

    def _impact(self, positions: Tensor, before: Tensor) -> Tensor:
        return impact_cost((positions - before).abs() * self.size, self.sigma, self.market)

    def _effect(self, turned: Tensor, cost: Cost) -> Tensor:
        now, other = self.positions, -self.positions
        before, after = torch.cat([now[:1], now[:-1]]), torch.cat([now[1:], now[-1:]])
        more = cost(other, before) + cost(after, other) - cost(now, before) - cost(after, now)
        return torch.where(turned, (now - other) * self.returns + more / self.size, 0)


def open_returns(bars: Tensor) -> Tensor:
    """Return open[t + 2] / open[t + 1] - 1 for bars `[N, 5]`, `[N - 2]`: what a decision at the close of t earns."""
    opened = bars[:, 0]
    return opened[2:] / opened[1:-1] - 1

"""Changes of prices that can be traded: an attacker's own orders, with ticks, lots, impact and cost.

An attack on a model that trades changes neither its features nor its returns: it trades. Its input is a tensor
`[B, 9, T]`: the bars `[B, 5, T]` (open, high, low, close, volume), which never change, and orders `[B, 4, T]`, at first
0. An order u at the end of a bar buys (u > 0) or sells (u < 0) a volume q with q / ADV = u^2, where ADV is the average
volume of a bar. The square-root law of impact moves the price by the fraction Y sigma u, so that the L2 norm of all
orders, squared, is the participation: the attacker's part of an average volume. The price is back at the next bar.

`executed` turns this input into the bars that a model sees. They keep what a market keeps: whole ticks and lots, low <=
open, close <= high, others' trades stay (high only up, low only down, volume only up), and the open is past when the
orders come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sparring.attacks.threat_model import Threat
from sparring.engine.errors import UsageError

BAR_ENTRIES = 5
"""Open, high, low, close, volume."""
ORDERS = ("close", "high", "low", "volume")
"""Orders at the end of a bar: move its close, print a new high, print a new low, buy and sell at one price."""
HISTORY = 20
"""Bars before the attack from which volatility and average volume are taken."""
WORK = 2 / 3
"""Mean price change that an order costs, as a fraction of its last: the mean of sqrt(x) over [0, 1]."""


@dataclass(frozen=True)
class Market:
    """Rules and costs of trading."""

    tick: float = 0.01
    """Smallest price change, in the units of the prices."""
    lot: float = 100.0
    """Smallest volume of an order, in the units of the volume."""
    impact: float = 1.0
    """Y of the square-root law: price change in units of sigma by an order of one average volume."""
    fee: float = 1e-4
    """Half spread and fees, as a fraction of the price, for each way."""
    bars: int = 1
    """Last bars of a window with orders."""

    def __post_init__(self) -> None:
        for name in ("tick", "lot", "impact"):
            if not getattr(self, name) > 0:
                raise UsageError(f"--{name} must be above 0, not {getattr(self, name):g}")
        if not 0 <= self.fee < 1:
            raise UsageError(f"--fee is a fraction of the price from 0 to 1, not {self.fee:g}")
        if self.bars < 1:
            raise UsageError(f"--bars must be 1 or more, not {self.bars}")


class Conditions(NamedTuple):
    """What is known of a market before the bars with orders."""

    sigma: Tensor
    """Standard deviation of the log returns of a bar, `[B]`."""
    volume: Tensor
    """Average volume of a bar, `[B]`."""


def conditions(bars: Tensor, market: Market) -> Conditions:
    """Return volatility and average volume of HISTORY bars before those with orders; bars `[B, 5, T]`.

    Raises UsageError where the window is too short.
    """
    past = bars[:, :, : bars.shape[2] - market.bars][:, :, -HISTORY - 1 :]
    if past.shape[2] < HISTORY + 1:
        raise UsageError(
            f"a window of {bars.shape[2]} bars with orders in the last {market.bars} leaves fewer than {HISTORY + 1} "
            "to measure volatility and volume: take a longer --window"
        )
    returns = past[:, 3].log().diff(dim=1)
    return Conditions(returns.std(1), past[:, 4, 1:].mean(1))


def without_orders(bars: Tensor) -> Tensor:
    """Return the input of an attack, `[B, 9, T]`: bars `[B, 5, T]` without any order."""
    return torch.cat([bars, torch.zeros_like(bars[:, : len(ORDERS)])], 1)


def orders_threat(x: Tensor, market: Market, participation: float, *, kinds: tuple[str, ...] = ORDERS) -> Threat:
    """Return the threat model of orders on `x` `[B, 9, T]` of at most `participation` average volumes in all.

    It is an L2 ball of radius sqrt(participation) in the orders of the last `market.bars` bars; orders of other `kinds`
    stay 0, and all but those at the close have one side.
    """
    if not 0 < participation <= 1:
        raise UsageError(f"--participation is a fraction of the average volume from 0 to 1, not {participation:g}")
    low, high, mask = (x.new_zeros(x.shape[1:]) for _ in range(3))
    low[:], high[:] = -torch.inf, torch.inf
    for place, name in enumerate(ORDERS, BAR_ENTRIES):
        mask[place, -market.bars :] = float(name in kinds)
        if name in ("high", "volume"):
            low[place] = 0
        if name == "low":
            high[place] = 0
    return Threat("L2", math.sqrt(participation), low, high, mask)


def executed(x: Tensor, market: Market) -> Tensor:
    """Return the bars `[B, 5, T]` after the orders of `x` `[B, 9, T]` in the last `market.bars`.

    Volumes are rounded down to whole lots, and price changes towards 0 to whole ticks. Gradients are those without
    rounding, and reach the orders only. An order at the close moves the close, and with it high or low where it goes
    beyond; one at the high or low moves the price from the close and back.
    """
    bars, first = x[:, :BAR_ENTRIES].detach(), x.shape[2] - market.bars
    orders, known = x[:, BAR_ENTRIES:, first:], conditions(bars, market)
    opened, high, low, close, volume = bars[:, :, first:].unbind(1)
    moved = _prices(orders[:, :3], close, known, market)
    new_close = moved[:, 0]
    new_high = torch.maximum(torch.maximum(high, new_close), moved[:, 1])
    new_low = torch.minimum(torch.minimum(low, new_close), moved[:, 2])
    smooth = (orders.square().sum(1)) * known.volume[:, None]
    traded = smooth + (_volumes(orders, known, market).sum(1) - smooth).detach()
    changed = torch.stack([opened, new_high, new_low, new_close, volume + traded], 1)
    return torch.cat([bars[:, :, :first], changed], 2)


def _volumes(orders: Tensor, known: Conditions, market: Market) -> Tensor:
    """Return the volume of each order in whole lots, rounded down; as `orders` `[B, 4, T]`."""
    wanted = orders.detach().square() * known.volume[:, None, None]
    return (wanted / market.lot + 1e-6).floor() * market.lot


def _prices(orders: Tensor, close: Tensor, known: Conditions, market: Market) -> Tensor:
    """Return the price `[B, K, T]` that each order moves the close to."""
    scale = market.impact * known.sigma[:, None, None] * close[:, None]
    smooth = scale * orders
    size = (_volumes(orders, known, market) / known.volume[:, None, None]).sqrt()
    ticks = (scale * size * orders.detach().sign() / market.tick).trunc()
    lowest = -torch.floor(close[:, None] / market.tick - 1)  # a price stays above 0
    hard = torch.maximum(ticks, lowest) * market.tick
    return close[:, None] + smooth + (hard - smooth).detach()


def participation(x: Tensor, market: Market) -> Tensor:
    """Return the volume of all orders in average volumes, `[B]`, as it is traded; x `[B, 9, T]`."""
    known = conditions(x[:, :BAR_ENTRIES], market)
    return _volumes(x[:, BAR_ENTRIES:], known, market).flatten(1).sum(1) / known.volume


def order_cost(x: Tensor, market: Market) -> Tensor:
    """Return the cost of all orders as a fraction of the value of an average volume, `[B]`; x is `[B, 9, T]`.

    An order that moves the price by the fraction d costs 2/3 d on average, and the fee twice: what it bought is sold
    again once the price is back. An order that only adds volume costs the fee twice.
    """
    known = conditions(x[:, :BAR_ENTRIES], market)
    part = _volumes(x[:, BAR_ENTRIES:], known, market) / known.volume[:, None, None]
    change = market.impact * known.sigma[:, None, None] * part.sqrt()
    change[:, ORDERS.index("volume")] = 0
    return (part * (WORK * change + 2 * market.fee)).flatten(1).sum(1)


def impact_cost(traded: Tensor, sigma: Tensor, market: Market) -> Tensor:
    """Return what the impact of a trade of `traded` average volumes costs, as a fraction of the value of one, `[B]`."""
    return traded * WORK * market.impact * sigma * traded.sqrt()

"""A limit order book with zero-intelligence traders, where fills and queue places follow from orders.

Limit, market and cancel orders of one unit come as Poisson processes (Smith et al. 2003; Cont, Stoikov and Talreja
2010): limit orders at each of 10 distances from the other side's best price, market orders on both sides, and each
resting order is cancelled at a constant rate. An attacker's orders meet the same queues, first in, first out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from sparring.engine.errors import UsageError

Side = Literal[1, -1]
"""1: buy, or bids. -1: sell, or offers."""
BACKGROUND = ""
"""Owner of the orders of zero-intelligence traders."""


@dataclass(frozen=True)
class Rates:
    """Events in a unit of time."""

    limit: float = 1.9
    """Limit orders on each side at distance 1; at distance i it is divided by i to the power of `decay`."""
    decay: float = 0.5
    market: float = 0.9
    """Market orders on each side."""
    cancel: float = 0.25
    """Cancellations of each resting order."""
    levels: int = 10
    """Distances from the other side's best price, in ticks, at which limit orders come."""

    def __post_init__(self) -> None:
        if min(self.limit, self.market, self.cancel) <= 0 or self.levels < 1:
            raise UsageError("rates of limit, market and cancel orders must be above 0, and levels 1 or more")


class Order(NamedTuple):
    """A resting order of one unit."""

    number: int
    owner: str
    side: Side
    price: int


class Fill(NamedTuple):
    """A trade of one unit."""

    price: int
    side: Side
    """Side of the order that took: 1 bought."""
    taker: str
    maker: str


class OrderBook:
    """Queues of resting orders by price, in ticks."""

    def __init__(self, middle: int = 1000) -> None:
        self.queues: dict[Side, dict[int, deque[Order]]] = {1: {}, -1: {}}
        self.resting: dict[int, Order] = {}
        """Number -> order."""
        self.fills: list[Fill] = []
        self._next, self._last = 0, {1: middle - 1, -1: middle + 1}

    def copy(self) -> OrderBook:
        """Return a book that goes on alone."""
        book = OrderBook()
        book.queues = {
            side: {price: deque(queue) for price, queue in prices.items()} for side, prices in self.queues.items()
        }
        book.resting, book.fills = dict(self.resting), list(self.fills)
        book._next, book._last = self._next, dict(self._last)
        return book

    def best(self, side: Side) -> int:
        """Return the highest bid or the lowest offer; the last one where that side is empty."""
        prices = self.queues[side]
        if prices:
            self._last[side] = max(prices) if side == 1 else min(prices)
        return self._last[side]

    @property
    def mid(self) -> float:
        """The mean of best bid and offer, in ticks."""
        return (self.best(1) + self.best(-1)) / 2

    def depth(self, side: Side, levels: int) -> int:
        """Return the units that rest within `levels` ticks of the best price of a side."""
        best = self.best(side)
        return sum(len(queue) for price, queue in self.queues[side].items() if abs(price - best) < levels)

    def imbalance(self, levels: int = 10) -> float:
        """Return (b - a) / (b + a) of the units b to buy and a to sell within `levels`; 0 for an empty book."""
        buying, selling = self.depth(1, levels), self.depth(-1, levels)
        return (buying - selling) / (buying + selling) if buying + selling else 0.0

    def limit(self, side: Side, price: int, owner: str = BACKGROUND) -> int | None:
        """Place an order of one unit behind those at its price; return its number, or None where it traded at once."""
        other: Side = -1 if side == 1 else 1
        if self.queues[other] and side * (price - self.best(other)) >= 0:
            self.market(side, owner)
            return None
        order = Order(self._next, owner, side, price)
        self._next += 1
        self.queues[side].setdefault(price, deque()).append(order)
        self.resting[order.number] = order
        return order.number

    def market(self, side: Side, owner: str = BACKGROUND) -> Fill | None:
        """Trade one unit with the first order at the best price of the other side; None where there is none."""
        other: Side = -1 if side == 1 else 1
        if not self.queues[other]:
            return None
        maker = self.queues[other][self.best(other)][0]
        self.cancel(maker.number)
        fill = Fill(maker.price, side, owner, maker.owner)
        self.fills.append(fill)
        return fill

    def cancel(self, number: int) -> bool:
        """Remove a resting order; return False where it is filled or gone."""
        order = self.resting.pop(number, None)
        if order is None:
            return False
        queue = self.queues[order.side][order.price]
        queue.remove(order)
        if not queue:
            self.best(order.side)  # an empty side keeps this price
            del self.queues[order.side][order.price]
        return True

    def queue_place(self, number: int) -> int:
        """Return how many units are before a resting order at its price; raises KeyError where it is gone."""
        order = self.resting[number]
        return self.queues[order.side][order.price].index(order)

    def cash(self, owner: str, since: int = 0) -> tuple[int, int]:
        """Return the money, in ticks, and the units that the fills from number `since` on brought an owner."""
        money = units = 0
        for fill in self.fills[since:]:
            for name, side in ((fill.taker, fill.side), (fill.maker, -fill.side)):
                if name == owner:
                    money, units = money - side * fill.price, units + side
        return money, units


def events(book: OrderBook, rates: Rates, rng: np.random.Generator) -> Iterator[float]:
    """Play events of zero-intelligence traders on `book`, one at a time, and yield the time of each."""
    by_distance = rates.limit / np.arange(1, rates.levels + 1) ** rates.decay
    shares = by_distance.cumsum() / by_distance.sum()
    limit, clock = 2 * float(by_distance.sum()), 0.0
    while True:
        own = [number for number, order in book.resting.items() if order.owner == BACKGROUND]
        total = limit + 2 * rates.market + rates.cancel * len(own)
        clock += float(rng.exponential(1 / total))
        kind = rng.random() * total
        side: Side = 1 if rng.random() < 0.5 else -1
        if kind < limit:
            distance = 1 + int(np.searchsorted(shares, rng.random()))
            book.limit(side, book.best(-1 if side == 1 else 1) - side * distance)
        elif kind < limit + 2 * rates.market:
            book.market(side)
        else:
            book.cancel(own[int(rng.integers(len(own)))])
        yield clock

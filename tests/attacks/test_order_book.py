"""The order book: queues, fills, money, and the statistics of zero-intelligence trading."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from sparring.attacks.order_book import OrderBook, Rates, events
from sparring.engine.errors import UsageError


def test_first_in_is_first_out_and_cancellations_move_the_queue_up() -> None:
    book = OrderBook()
    first, second, third = (book.limit(-1, 1005, owner) for owner in ("a", "b", "c"))
    assert first is not None and second is not None and third is not None
    assert [book.queue_place(number) for number in (first, second, third)] == [0, 1, 2]
    assert book.cancel(first) and not book.cancel(first) and book.queue_place(third) == 1
    fill = book.market(1, "d")
    assert fill is not None and (fill.price, fill.maker, fill.taker) == (1005, "b", "d")
    assert book.queue_place(third) == 0


def test_market_orders_walk_the_book_and_limits_that_cross_trade() -> None:
    book = OrderBook()
    for price in (1001, 1003, 1003):
        book.limit(-1, price, "maker")
    book.limit(1, 999, "maker")
    assert book.mid == 1000
    assert book.limit(1, 1001, "taker") is None and book.best(-1) == 1003 and book.mid == 1001
    assert [fill.price for fill in (book.market(1, "taker"), book.market(1, "taker")) if fill] == [1003, 1003]
    assert book.market(1) is None and book.best(-1) == 1003
    assert book.cash("taker") == (-3007, 3) and book.cash("maker") == (3007, -3) and book.cash("taker", 1) == (-2006, 2)


def test_imbalance_counts_the_levels_near_the_best() -> None:
    book = OrderBook()
    for price in (999, 998, 980):
        book.limit(1, price)
    book.limit(-1, 1001)
    assert book.imbalance(10) == pytest.approx(1 / 3) and OrderBook().imbalance() == 0


def test_a_game_of_zero_intelligence_is_symmetric_stationary_and_by_seed() -> None:
    books = [OrderBook(), OrderBook()]
    for book in books:
        clock = list(islice(events(book, Rates(), np.random.default_rng(1)), 4000))
    assert books[0].fills == books[1].fills and books[0].resting == books[1].resting
    rates, book = Rates(), books[0]
    assert all(bid.price < book.best(-1) for bid in book.resting.values() if bid.side == 1)
    trades = len(book.fills) / clock[-1]
    assert trades == pytest.approx(2 * rates.market, rel=0.15)
    bought = sum(fill.side == 1 for fill in book.fills) / len(book.fills)
    assert 0.4 < bought < 0.6 and 0 < book.best(-1) - book.best(1) < 10


@pytest.mark.parametrize("values", [{"limit": 0.0}, {"cancel": -1.0}, {"levels": 0}])
def test_rates_are_above_zero(values: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="above 0"):
        Rates(**values)  # type: ignore[arg-type]

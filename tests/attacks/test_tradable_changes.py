"""Orders keep the rules of a market, move prices by the square-root law, and cost what it says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bars import random_windows
from torch import Tensor

from sparring.attacks.order_attacks import random_orders
from sparring.attacks.threat_for import threat_for
from sparring.attacks.tradable_changes import (
    BAR_ENTRIES,
    ORDERS,
    Market,
    conditions,
    executed,
    impact_cost,
    order_cost,
    orders_threat,
    participation,
    without_orders,
)
from sparring.data.prices import PricesSpec
from sparring.engine.errors import UsageError

FINE = Market(tick=1e-9, lot=1e-9)


def one_order(kind: str, size: float, market: Market = FINE) -> tuple[Tensor, Tensor]:
    """Return inputs with one order at the last bar, and the bars after it."""
    x = without_orders(random_windows(20))
    x[:, BAR_ENTRIES + ORDERS.index(kind), -1] = size
    return x, executed(x, market)


@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-6, 1e-4, 0.01, 1.0]), bars=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_bars_after_any_orders_are_bars_of_a_market(seed: int, size: float, bars: int) -> None:
    market = Market(bars=bars)
    x = without_orders(random_windows(8, seed=seed % 7))
    threat = orders_threat(x, market, size)
    ordered = random_orders(x, threat, torch.Generator().manual_seed(seed))
    opened, high, low, close, volume = executed(ordered, market).unbind(1)
    before = x[:, :BAR_ENTRIES]
    assert threat.allows(ordered, x).all()
    assert (low <= opened).all() and (opened <= high).all() and (low <= close).all() and (close <= high).all()
    assert (low > 0).all() and (opened == before[:, 0]).all()
    assert (high >= before[:, 1]).all() and (low <= before[:, 2]).all() and (volume >= before[:, 4]).all()
    for change, unit in ((close - before[:, 3], market.tick), (volume - before[:, 4], market.lot)):
        assert torch.allclose(change / unit, (change / unit).round(), atol=1e-4)
    assert (executed(ordered, market)[:, :, :-bars] == before[:, :, :-bars]).all()
    assert (participation(ordered, market) <= size * (1 + 1e-6)).all()


def test_five_basis_points_take_a_quarter_of_a_percent_of_the_volume() -> None:
    x, bars = one_order("close", 0.05)  # reference: at sigma 1 %, 5 bp take .25 % of the day's volume
    known = conditions(x[:, :BAR_ENTRIES], FINE)
    torch.testing.assert_close(bars[:, 3, -1] / x[:, 3, -1] - 1, 0.05 * known.sigma)
    torch.testing.assert_close(participation(x, FINE), torch.full_like(known.sigma, 0.0025))
    torch.testing.assert_close(bars[:, 4, -1] - x[:, 4, -1], 0.0025 * known.volume, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize(("kind", "size"), [("close", 0.2), ("high", 0.2), ("low", -0.2)])
def test_cost_is_two_thirds_of_the_push_and_two_fees(kind: str, size: float) -> None:
    x, _ = one_order(kind, size)
    sigma = conditions(x[:, :BAR_ENTRIES], FINE).sigma
    torch.testing.assert_close(order_cost(x, FINE), 0.04 * (2 / 3 * 0.2 * sigma + 2 * FINE.fee))
    torch.testing.assert_close(impact_cost(torch.full_like(sigma, 0.04), sigma, FINE), 0.04 * 2 / 3 * 0.2 * sigma)


def test_volume_alone_moves_no_price_and_costs_the_fees() -> None:
    x, bars = one_order("volume", 0.2)
    assert (bars[:, :4] == x[:, :4]).all()
    torch.testing.assert_close(order_cost(x, FINE), torch.full_like(order_cost(x, FINE), 0.04 * 2 * FINE.fee))


def test_an_order_below_the_lot_or_the_tick_changes_nothing() -> None:
    x, bars = one_order("close", 1e-3, Market(lot=1e9))
    assert (bars == x[:, :BAR_ENTRIES]).all()
    x, bars = one_order("close", 1e-3, Market(tick=10.0, lot=0.01))
    assert (bars[:, :4] == x[:, :4]).all() and (bars[:, 4, -1] > x[:, 4, -1]).all()


def test_gradients_are_those_without_rounding_and_reach_orders_only() -> None:
    x, _ = one_order("close", 0.1)
    coarse = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(executed(coarse, Market())[:, 3, -1].sum(), coarse)
    sigma = conditions(x[:, :BAR_ENTRIES], FINE).sigma
    torch.testing.assert_close(gradient[:, BAR_ENTRIES, -1], sigma * x[:, 3, -1])
    assert (gradient[:, :BAR_ENTRIES] == 0).all()


@pytest.mark.parametrize("values", [{"tick": 0.0}, {"lot": -1.0}, {"impact": 0.0}, {"fee": 1.0}, {"bars": 0}])
def test_a_market_without_rules_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"must be|fraction"):
        Market(**values)  # type: ignore[arg-type]


def test_the_usual_threat_of_prices_is_one_percent_of_a_volume() -> None:
    x = without_orders(random_windows(3))
    threat = threat_for(PricesSpec(64, 3), x)
    assert threat.norm == "L2" and threat.eps == pytest.approx(0.1)


def test_short_windows_and_large_orders_are_refused() -> None:
    x = without_orders(random_windows(3))
    with pytest.raises(UsageError, match="--participation"):
        orders_threat(x, Market(), 2.0)
    with pytest.raises(UsageError, match="longer --window"):
        executed(x[:, :, :20], Market())

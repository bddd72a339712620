"""Searches for orders: against closed forms, within their cost, and without knowledge of what comes."""

from __future__ import annotations

import pytest
import torch
from tests.bars import random_windows
from torch import Tensor

from sparring.attacks.cheapest_orders import cheapest_orders
from sparring.attacks.norms import length
from sparring.attacks.order_attacks import (
    causal_orders,
    forecast,
    order_directions,
    random_orders,
    ray_search,
    steepest_orders,
)
from sparring.attacks.tradable_changes import BAR_ENTRIES, Market, conditions, orders_threat, without_orders
from sparring.commands.attacking.suites.trading_data import TradedModel
from sparring.nets.strategies import Momentum, MovingAverage

MARKET = Market(tick=1e-6, lot=1e-6)


def problem(strategy: torch.nn.Module, market: Market = MARKET) -> tuple[TradedModel, Tensor, Tensor]:
    """Return model, inputs and signals."""
    model, x = TradedModel(strategy, market), without_orders(random_windows(150))
    return model, x, model(x).argmax(1)


def test_the_search_is_exact_for_a_rule_of_the_last_close() -> None:
    model, x, y = problem(Momentum())
    needed = (x[:, 3, -21] / x[:, 3, -1] - 1).abs() / conditions(x[:, :BAR_ENTRIES], MARKET).sigma
    sizes = torch.linspace(0.01, 1, 100).tolist()
    threat, directions = orders_threat(x, MARKET, 0.25), order_directions(x, 1, ("close",))
    result = ray_search(model, x, y, threat, directions, sizes)
    assert (result.success == (needed < 0.5 * (1 - 1e-6))).all() and result.success.sum() > 10
    spent, least = result.distance[result.success], needed[result.success]
    assert (spent >= least).all() and (spent <= least + 0.5 * 0.0101).all()


@pytest.mark.parametrize("strategy", [Momentum(), MovingAverage()])
def test_gradients_turn_what_the_search_turns(strategy: torch.nn.Module) -> None:
    model, x, y = problem(strategy)
    threat = orders_threat(x, MARKET, 0.25)
    searched = ray_search(model, x, y, threat, order_directions(x, 1), [0.25, 0.5, 1.0])
    steepest = steepest_orders(model, x, y, threat)
    assert searched.success.any() and (steepest.success | ~searched.success).all()
    best = cheapest_orders(model, x, y, MARKET, [0.01, 0.25])
    assert (best.success == steepest.success).all() and (best.distance[best.success] <= 0.5 + 1e-9).all()
    small = steepest_orders(model, x, y, orders_threat(x, MARKET, 0.01)).success
    assert (best.distance[small] <= 0.1 + 1e-9).all() and (best.distance[~small] > 0.1).all()
    assert (length("L2", best.adv - x)[best.success] - best.distance[best.success]).abs().max() < 1e-9


def test_random_orders_cost_what_is_allowed_and_have_sides() -> None:
    _, x, _ = problem(Momentum())
    threat = orders_threat(x, Market(bars=3), 0.04)
    orders = random_orders(x, threat, torch.Generator().manual_seed(0)) - x
    torch.testing.assert_close(length("L2", orders), torch.full((len(x),), 0.2, dtype=torch.float64))
    assert (orders[:, :, :-3] == 0).all() and (orders[:, :BAR_ENTRIES] == 0).all()
    assert (orders[:, 6, -3:] > 0).all() and (orders[:, 7, -3:] < 0).all() and (orders[:, 8, -3:] > 0).all()
    assert 0.4 < (orders[:, 5, -3:] > 0).double().mean() < 0.6


def test_orders_of_a_bar_depend_on_nothing_later() -> None:
    market = Market(tick=1e-6, lot=1e-6, bars=3)
    model, x, y = problem(MovingAverage(), market)
    threat = orders_threat(x, market, 0.5)
    later = x.clone()
    later[:, :5, -1] *= 1.05
    plans = [causal_orders(model, each, model(each).argmax(1), threat, bars=3) for each in (x, later)]
    orders = [plan.adv[:, BAR_ENTRIES:, -3:] for plan in plans]
    assert (orders[0][:, :, :2] == orders[1][:, :, :2]).all() and (orders[0][:, :, 0] != 0).any()
    assert (orders[0][:, :, 2] != orders[1][:, :, 2]).any()
    assert threat.allows(plans[0].adv, x).all() and (plans[0].adv[:, :BAR_ENTRIES] == x[:, :BAR_ENTRIES]).all()
    assert (plans[0].success == (model(plans[0].adv).argmax(1) != y)).all()


def test_the_forecast_stays_at_the_last_close() -> None:
    _, x, _ = problem(Momentum())
    flat = forecast(x, 2)
    assert (flat[:, :, :-2] == x[:, :, :-2]).all()
    assert (flat[:, :4, -2:] == x[:, 3:4, -3:-2]).all()
    torch.testing.assert_close(flat[:, 4, -1], x[:, 4, :-2].mean(1))
    assert (forecast(x, 0) == x).all()

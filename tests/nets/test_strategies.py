"""Strategies: shapes, scale invariance, gradients, and signals of clear trends."""

from __future__ import annotations

import pytest
import torch
from tests.bars import random_windows
from torch import nn

from sparring.nets.price_features import LAGGED_FEATURES, SHORTEST, lagged_features, step_features
from sparring.nets.strategies import Momentum, MovingAverage, StrategyMLP, StrategyTCN


@pytest.mark.parametrize("strategy", [MovingAverage(), Momentum(), StrategyMLP(), StrategyTCN()])
def test_scores_do_not_depend_on_the_units(strategy: nn.Module) -> None:
    bars = random_windows(6)
    units = torch.tensor([7.0, 7.0, 7.0, 7.0, 1.0], dtype=torch.float64)[:, None]
    scores = strategy(bars)
    assert scores.shape == (6,) and scores.dtype == torch.float64
    torch.testing.assert_close(strategy(bars * units), scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strategy", [MovingAverage(), Momentum()])
def test_rules_follow_trends(strategy: nn.Module) -> None:
    price = torch.linspace(1, 2, 64, dtype=torch.float64)
    rising = torch.stack([price, price, price, price, price])[None]
    assert strategy(rising).item() > 0 > strategy(rising.flip(2)).item()


def test_features_are_of_the_order_of_one_and_differentiable() -> None:
    bars = random_windows(50).requires_grad_()
    features = lagged_features(bars)
    assert features.shape == (50, LAGGED_FEATURES) and step_features(bars).shape == (50, 4, 63)
    assert 0.2 < features.std() < 3
    (gradient,) = torch.autograd.grad(features.sum(), bars)
    assert torch.isfinite(gradient).all() and (gradient[:, 3, -1] != 0).all()


def test_a_bar_lifts_its_return_and_lowers_the_next() -> None:
    bars = random_windows(1)
    moved = bars.clone()
    moved[:, 3, -2] *= 1.001
    change = step_features(moved)[0, 0] - step_features(bars)[0, 0]
    assert change[-2] > 0 > change[-1] and change[:-2].abs().max() < 0.2 * change[-2]


def test_shortest_windows_are_enough() -> None:
    assert torch.isfinite(lagged_features(random_windows(3)[:, :, -SHORTEST:])).all()

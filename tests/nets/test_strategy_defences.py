"""Ways to hide a strategy: what each does to scores, randomness from the seed, gradients."""

from __future__ import annotations

import pytest
import torch
from tests.bars import random_windows
from torch import Tensor, nn

from sparring.attacks.wrappers import bpda
from sparring.nets.strategies import Momentum, MovingAverage
from sparring.nets.strategy_defences import (
    Delayed,
    MeanScore,
    MedianInput,
    NoisyInput,
    RandomMember,
    SmoothedInput,
    noisy_bars,
)

BARS = random_windows(40)


@pytest.mark.parametrize("defence", [NoisyInput(Momentum()), RandomMember([Momentum(), MovingAverage()])])
def test_randomness_comes_from_the_seed(defence: nn.Module) -> None:
    scores = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        scores.append(defence(BARS))
    assert (scores[0] == scores[1]).all() and (scores[0] != scores[2]).any()


def test_a_member_decides_alone_and_the_mean_is_its_expectation() -> None:
    members = [Momentum(), MovingAverage(), Momentum(5)]
    single = torch.stack([member(BARS) for member in members], 1)
    torch.manual_seed(0)
    draws = torch.stack([RandomMember(members)(BARS) for _ in range(400)])
    assert (draws[0][:, None] == single).any(1).all()
    assert (draws.mean(0) - MeanScore(members)(BARS)).abs().max() < 0.25 * single.std(1).max() + 0.1


def test_delays_and_medians_do_not_see_the_last_close() -> None:
    spiked = BARS.clone()
    spiked[:, 3, -1] *= 10
    spiked[:, 1, -1] *= 10
    for defence in (Delayed(Momentum()), MedianInput(Momentum())):
        change = (defence(spiked) - defence(BARS)).abs() * 0.01
        assert change.max() < 0.2
    assert (Delayed(Momentum())(spiked) == Delayed(Momentum())(BARS)).all()


def test_smoothing_is_definite_and_differentiable() -> None:
    defence = SmoothedInput(Momentum(), 64, draws=3)
    leaf = BARS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(defence(leaf).sum(), leaf)
    assert (defence(BARS) == defence(BARS)).all() and (gradient[:, 3, -1] > 0).all()


def test_noise_keeps_bars_bars() -> None:
    noisy = noisy_bars(BARS, 0.5, torch.randn(40, 64, dtype=torch.float64))
    assert (noisy[:, 2] <= noisy[:, 3]).all() and (noisy[:, 3] <= noisy[:, 1]).all()
    assert (noisy[:, 4] == BARS[:, 4]).all()


class LastClose(nn.Module):
    """The last close as score."""

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores."""
        return bars[:, 3, -1]


def test_the_gradient_of_means_reaches_every_bar_of_a_median() -> None:
    defence = MedianInput(LastClose())
    attacked = bpda(defence.medians, defence.strategy, backward=defence.means)
    assert (attacked(BARS) == defence(BARS)).all() and (defence(BARS) == BARS[:, 3, -3:].median(1).values).all()
    for model, reached in ((defence, 1), (attacked, 3)):
        leaf = BARS.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model(leaf).sum(), leaf)
        assert ((gradient[:, 3] != 0).sum(1) == reached).all()

from __future__ import annotations

import math

import pytest
import torch

from sparring.measure.domains.risk import (
    MAX_WEIGHT,
    dev_risk,
    effective_size,
    estimated_accuracy,
    importance_weights,
    information,
    soft_neighbourhood_density,
    weighted_risk,
)


def test_weights_of_equal_domains_are_about_1() -> None:
    torch.manual_seed(0)
    weights = importance_weights(torch.randn(500, 3), torch.randn(500, 3), torch.randn(200, 3))
    assert weights.mean().item() == pytest.approx(1)
    assert effective_size(weights) > 180


def test_weights_are_the_density_ratio_of_shifted_gaussians() -> None:
    torch.manual_seed(0)
    source, target = torch.randn(4000, 1), torch.randn(4000, 1) + 1
    weights = importance_weights(source, target, torch.tensor([[0.0], [1.0]]))
    assert (weights[1] / weights[0]).item() == pytest.approx(math.e, rel=0.15)  # p_t / p_s = exp(x - 1/2)


@pytest.mark.parametrize("count", [2000, 100])
def test_weights_are_clipped_and_domains_count_the_same(count: int) -> None:
    """Half way between the domains the ratio is 1, whatever their sizes; far in the target it is the largest."""
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(2000, 1, generator=generator)
    target = torch.randn(2000, 1, generator=generator)[:count] + 4
    weights = importance_weights(source, target, torch.tensor([[2.0], [8.0], [-4.0]]))
    assert (weights[1] / weights[0]).item() == pytest.approx(MAX_WEIGHT, rel=0.25)
    assert 0 <= weights[2].item() < 0.01


def test_weighted_risk_and_dev_by_hand() -> None:
    losses, weights = torch.tensor([1.0, 3.0]).double(), torch.tensor([0.5, 1.5]).double()
    assert weighted_risk(losses, weights) == pytest.approx((0.5 + 4.5) / 2)
    assert dev_risk(losses, torch.ones(2).double()) == pytest.approx(2)
    eta = -(0.5 - 2.5) * (0.5 - 1) * 2 / (2 * 0.25)
    assert dev_risk(losses, weights) == pytest.approx(2.5 + eta * 1 - eta)


def test_information_is_highest_for_sure_and_even_answers() -> None:
    assert information(torch.eye(4)) == pytest.approx(math.log(4))
    assert information(torch.full((5, 4), 0.25)) == pytest.approx(0, abs=1e-9)
    assert information(torch.eye(4)[[0, 0, 0]]) == pytest.approx(0, abs=1e-9)  # a collapse is no information


def test_density_rewards_a_collapse() -> None:
    """Why it is shown alone: answers that are all the same have the densest neighbourhoods."""
    collapsed = torch.tensor([[1.0, 0, 0]]).expand(60, 3)
    assert soft_neighbourhood_density(collapsed) == pytest.approx(math.log(59))
    assert soft_neighbourhood_density(torch.eye(3).repeat(20, 1)) == pytest.approx(math.log(19), rel=1e-3)


def test_the_estimated_accuracy_is_the_share_above_the_sources_threshold() -> None:
    confidence = torch.linspace(0, 1, 101)
    correct = confidence >= 0.2
    assert estimated_accuracy(confidence, correct, confidence) == pytest.approx(0.8, abs=0.02)
    assert estimated_accuracy(confidence, correct, torch.zeros(9)) == 0

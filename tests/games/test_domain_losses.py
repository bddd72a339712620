from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import binary_cross_entropy_with_logits

from sparring.games.domain_losses import (
    class_confusion,
    coral,
    covariance,
    discrepancy,
    domain_accuracy,
    domain_loss,
    entropy_weights,
)
from sparring.games.gradient_reversal import reversal_strength, reverse_gradient


def test_covariance_equals_numpys() -> None:
    x = torch.randn(20, 4, dtype=torch.float64)
    torch.testing.assert_close(covariance(x), torch.from_numpy(__import__("numpy").cov(x.T.numpy())))


def test_coral_of_equal_covariances_is_0_and_of_scaled_ones_known() -> None:
    x = torch.randn(50, 3, dtype=torch.float64)
    assert coral(x, x.flip(0) + 7).item() == pytest.approx(0, abs=1e-12)  # means do not count
    expected = (3 * covariance(x)).square().sum() / (4 * 9)
    torch.testing.assert_close(coral(x, 2 * x), expected)


def test_class_confusion_by_hand() -> None:
    sure = torch.tensor([[100.0, 0.0], [0.0, 100.0]])
    assert class_confusion(sure).item() == pytest.approx(0, abs=1e-6)
    assert class_confusion(torch.zeros(4, 3)).item() == pytest.approx(2 / 3)
    p = torch.tensor([[0.8, 0.2], [0.4, 0.6]], dtype=torch.float64)
    h = -(p * p.log()).sum(1)
    w = 2 * (1 + torch.exp(-h)) / (1 + torch.exp(-h)).sum()
    table = sum(w[i] * torch.outer(p[i], p[i]) for i in range(2))
    assert isinstance(table, torch.Tensor)
    rows = table / table.sum(1, keepdim=True)
    expected = (rows[0, 1] + rows[1, 0]) / 2
    torch.testing.assert_close(class_confusion(p.log() * 2.5), expected)


def test_the_weights_of_confident_rows_have_no_gradient() -> None:
    logits = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    p = (logits / 2.5).softmax(1)
    weights = 1 + torch.exp((p * p.log()).sum(1)).detach()
    table = p.T @ (weights[:, None] * p)
    expected = 1 - (table / table.sum(1, keepdim=True)).diagonal().mean()
    (known,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(torch.autograd.grad(class_confusion(logits), logits)[0], known)
    assert not entropy_weights(logits).requires_grad


def test_the_critics_loss_is_the_cross_entropy_of_both_domains() -> None:
    source, target = torch.randn(6), torch.randn(6)
    y = torch.cat([torch.ones(6), torch.zeros(6)])
    expected = binary_cross_entropy_with_logits(torch.cat([source, target]), y)
    torch.testing.assert_close(domain_loss(source, target), expected)
    torch.testing.assert_close(domain_loss(source, target, (torch.ones(6), torch.ones(6))), expected)
    assert domain_accuracy(torch.tensor([1.0, -1.0]), torch.tensor([-1.0, -2.0])) == 0.75


def test_each_domain_has_its_own_weights_of_rows() -> None:
    source, target = torch.tensor([0.3, -1.0]), torch.tensor([2.0, -0.5])
    weights = torch.tensor([1.5, 0.5]), torch.tensor([0.2, 1.8])
    by_hand = (1.5 * math.log1p(math.exp(-0.3)) + 0.5 * math.log1p(math.exp(1.0))) / 2
    by_hand += (0.2 * math.log1p(math.exp(2.0)) + 1.8 * math.log1p(math.exp(-0.5))) / 2
    assert domain_loss(source, target, weights).item() == pytest.approx(by_hand / 2)


def test_confident_rows_weigh_more_and_the_mean_is_1() -> None:
    weights = entropy_weights(torch.tensor([[9.0, 0.0], [0.0, 0.0]]))
    assert weights.mean().item() == pytest.approx(1)
    assert (weights[0] / weights[1]).item() == pytest.approx(2 / 1.5, rel=2e-3)


def test_discrepancy_is_0_for_equal_heads_and_at_most_2_over_the_classes() -> None:
    x = torch.randn(5, 4)
    assert discrepancy(x, x + 3) == pytest.approx(0, abs=1e-7)  # a constant changes no probability
    assert discrepancy(torch.tensor([[99.0, 0.0]]), torch.tensor([[0.0, 99.0]])) == pytest.approx(1)
    assert discrepancy(torch.tensor([[0.8, 0.2]]).log(), torch.tensor([[0.5, 0.5]]).log()) == pytest.approx(0.3)


def test_reversal_keeps_values_and_reverses_gradients() -> None:
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.equal(reverse_gradient(x, 0.3), x)
    (gradient,) = torch.autograd.grad(reverse_gradient(x, 0.3).square().sum(), x)
    torch.testing.assert_close(gradient, -0.3 * 2 * x)
    assert gradcheck(lambda z: reverse_gradient(z, -1.0).square().sum(), x)  # strength -1 is the identity
    twice = torch.autograd.grad(reverse_gradient(reverse_gradient(x, 0.5), 2.0).sum(), x)[0]
    torch.testing.assert_close(twice, torch.ones_like(x))


def test_the_strength_rises_from_0_to_about_1() -> None:
    assert reversal_strength(0.0) == 0
    assert reversal_strength(0.1) == pytest.approx(2 / (1 + math.exp(-1)) - 1)
    assert 0.999 < reversal_strength(1.0) < 1

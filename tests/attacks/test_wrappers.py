from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparring.attacks.fmn import fmn
from sparring.attacks.pgd import pgd
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import frozen
from sparring.attacks.wrappers import bpda, eot
from sparring.engine.errors import UsageError


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


W = rand(3, 16, seed=1) - 0.5
X = rand(32, 16)


def linear(x: Tensor) -> Tensor:
    return (x - 0.5) @ W.T


def rounded(x: Tensor) -> Tensor:
    """Round to four grey levels in numpy, which passes no gradient."""
    return torch.from_numpy(np.round(x.numpy() * 3) / 3)


def quantised(x: Tensor) -> Tensor:
    return linear((x * 3).round() / 3)


def test_bpda_succeeds_where_pgd_alone_fails() -> None:
    y, threat = quantised(X).argmax(1), Threat("Linf", 0.25)
    alone = pgd(quantised, X, y, threat, random_start=False)
    through = pgd(bpda(rounded, linear), X, y, threat, random_start=False)
    assert alone.success_rate == 0 and through.success_rate > 0.9
    assert torch.equal(quantised(through.adv).argmax(1) != y, through.success)


def test_bpda_is_exact_forwards_and_approximate_backwards() -> None:
    x = X.clone().requires_grad_()
    out = bpda(rounded, lambda x: 2 * x, backward=lambda x: x**3)(x)
    assert torch.equal(out, 2 * rounded(X))
    out.sum().backward()
    torch.testing.assert_close(x.grad, 6 * X**2)


def test_bpda_of_stages_that_change_the_shape() -> None:
    def halved(x: Tensor) -> Tensor:
        return (x[:, ::2] > 0.5).float()

    model = bpda(halved, lambda x: x @ W[:, ::2].T, backward=lambda x: x[:, ::2])
    result = pgd(model, X, model(X).argmax(1), Threat("Linf", 0.4))
    assert result.success_rate > 0.5
    with pytest.raises(UsageError, match=r"the stage returns \[32, 8\].*\[32, 16\]: give bpda a backward"):
        bpda(halved, linear)(X)


WAVES = torch.cos(2 * torch.pi * (torch.arange(16) - torch.tensor([[0.0], [5.0], [11.0]])) / 16)


class Shifted(nn.Module):
    """Classifier of waves of three phases; each row is shifted randomly by up to two samples."""

    def forward(self, x: Tensor) -> Tensor:
        by = torch.randint(-2, 3, (len(x), 1))
        return (x.gather(1, (torch.arange(16) + by) % 16) - 0.5) @ WAVES.T


def test_eot_beats_pgd_on_a_stochastic_model() -> None:
    """PGD stops at one pass that happens to misclassify."""
    model, threat, y = Shifted(), Threat("Linf", 0.2), torch.arange(30) % 3
    x = (0.5 + 0.2 * WAVES[y] + 0.4 * (rand(30, 16) - 0.5)).clamp(0, 1)

    def wrong(adv: Tensor) -> float:
        """How often a pass is wrong."""
        torch.manual_seed(0)
        return float(torch.stack([model(adv).argmax(1) != y for _ in range(200)]).double().mean())

    plain, mean = (pgd(attacked, x, y, threat, steps=20) for attacked in (model, eot(model, 30)))
    assert wrong(x) < 0.05 and wrong(mean.adv) > 1.5 * wrong(plain.adv)


def test_eot_draws_new_or_repeated_noise() -> None:
    model = eot(Shifted(), 3)
    assert not torch.equal(model(X), model(X))
    with frozen(model, seed=1):
        first = model(X)
    with frozen(model, seed=1):
        assert torch.equal(model(X), first)
    random = torch.random.get_rng_state()
    fixed = eot(Shifted(), 3, seed=2)
    assert torch.equal(fixed(X), fixed(X)) and torch.equal(random, torch.random.get_rng_state())
    threat = Threat("L2", 4.0)
    result = fmn(fixed, X, fixed(X).argmax(1), threat)
    assert torch.equal(fixed(result.adv).argmax(1) != fixed(X).argmax(1), result.success)


def test_eot_averages_gradients() -> None:
    x = X.clone().requires_grad_()

    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.rand(()) * linear(x)

    model = eot(Scaled(), 5, seed=3)
    model(x).sum().backward()
    torch.manual_seed(3)
    mean = sum(float(torch.rand(())) for _ in range(5)) / 5
    torch.testing.assert_close(x.grad, mean * W.sum(0).expand_as(x))
    with pytest.raises(UsageError, match="draws must be 1 or more"):
        eot(Scaled(), 0)


def test_the_wrapped_model_is_frozen() -> None:
    inner = nn.Sequential(nn.Linear(16, 3), nn.Dropout())
    wrapped = bpda(rounded, eot(inner, 2))
    with frozen(wrapped):
        assert not inner[1].training and not inner[0].weight.requires_grad
    assert inner[1].training and inner[0].weight.requires_grad

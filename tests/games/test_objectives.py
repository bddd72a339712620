import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparring.games.objectives import OBJECTIVES

REAL, FAKE = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])


def sp(x: float) -> float:
    return math.log1p(math.exp(x))


# on REAL and FAKE above: (D's loss, G's loss), worked out by hand
BY_HAND = {
    "minimax": ((sp(-2) + sp(1) + sp(0.5) + sp(-3)) / 2, -(sp(0.5) + sp(-3)) / 2),
    "nonsaturating": ((sp(-2) + sp(1) + sp(0.5) + sp(-3)) / 2, (sp(-0.5) + sp(3)) / 2),
    "hinge": ((0 + 2) / 2 + (1.5 + 0) / 2, 1.25),
    "wasserstein": (-1.25 - 0.5, 1.25),
    "least_squares": ((1 + 4) / 4 + (0.25 + 9) / 4, (0.25 + 16) / 4),
    "relativistic": ((sp(-1.5) + sp(-2)) / 2, (sp(1.5) + sp(2)) / 2),
}
AT_NOTHING = {
    "minimax": (2 * math.log(2), -math.log(2)),
    "nonsaturating": (2 * math.log(2), math.log(2)),
    "hinge": (2.0, 0.0),
    "wasserstein": (0.0, 0.0),
    "least_squares": (0.5, 0.5),
    "relativistic": (math.log(2), math.log(2)),
}
logits = st.lists(st.integers(-240, 240).map(lambda k: k / 8), min_size=3, max_size=3).map(torch.tensor)


def test_the_tables_of_this_file_are_complete() -> None:
    assert BY_HAND.keys() == AT_NOTHING.keys() == OBJECTIVES.keys()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_values_by_hand(name: str) -> None:
    objective = OBJECTIVES[name]
    assert float(objective.discriminator(REAL, FAKE)) == pytest.approx(BY_HAND[name][0], rel=1e-6)
    assert float(objective.generator(FAKE, REAL)) == pytest.approx(BY_HAND[name][1], rel=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_values_at_zero_logits(name: str) -> None:
    objective, zero = OBJECTIVES[name], torch.zeros(5)
    assert float(objective.discriminator(zero, zero)) == pytest.approx(AT_NOTHING[name][0], abs=1e-7)
    assert float(objective.generator(zero, zero)) == pytest.approx(AT_NOTHING[name][1], abs=1e-7)


@pytest.mark.parametrize("name", OBJECTIVES)
@given(real=logits, fake=logits)
def test_conformance(name: str, real: Tensor, fake: Tensor) -> None:
    objective = OBJECTIVES[name]
    real, fake = real.requires_grad_(), fake.requires_grad_()
    loss = objective.discriminator(real, fake)
    assert loss.shape == () and loss.dtype == torch.float32 and torch.isfinite(loss)
    to_real, to_fake = torch.autograd.grad(loss, [real, fake])
    if name == "least_squares":  # has targets, not extremes
        assert torch.equal(to_real.sign(), (real - 1).sign()) and torch.equal(to_fake.sign(), fake.sign())
    else:
        assert (to_real <= 0).all() and (to_fake >= 0).all()
    loss = objective.generator(fake, real.detach() if objective.pairs else real.new_empty(0))
    assert loss.shape == () and loss.dtype == torch.float32 and torch.isfinite(loss)
    (to_fake,) = torch.autograd.grad(loss, fake)
    assert torch.equal(to_fake.sign(), (fake - 1).sign()) if name == "least_squares" else (to_fake <= 0).all()


@pytest.mark.parametrize("name", sorted(OBJECTIVES.keys() - {"least_squares"}))
def test_better_separation_reduces_the_discriminators_loss(name: str) -> None:
    loss = OBJECTIVES[name].discriminator
    assert loss(REAL + 0.5, FAKE) < loss(REAL, FAKE) < loss(REAL, FAKE + 0.5)


@pytest.mark.parametrize("name", sorted(OBJECTIVES.keys() - {"least_squares"}))
def test_larger_fake_logits_reduce_the_generators_loss(name: str) -> None:
    loss = OBJECTIVES[name].generator
    assert loss(FAKE + 0.5, REAL) < loss(FAKE, REAL)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_huge_logits_stay_finite(name: str) -> None:
    huge = torch.tensor([1e4, -1e4])
    assert torch.isfinite(OBJECTIVES[name].discriminator(huge, -huge))
    assert torch.isfinite(OBJECTIVES[name].generator(huge, -huge))

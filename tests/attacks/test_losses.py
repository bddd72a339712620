from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from sparring.attacks.losses import LOSSES, Loss, ce, dlr, margin

Z = torch.tensor([[4.0, 1.0, 3.0, 0.0, 2.0], [1.0, 5.0, 2.0, 4.0, 0.0]])
Y = torch.tensor([0, 2])
T = torch.tensor([1, 3])


def test_closed_forms() -> None:
    """Row 0: correct by 1, with z_1 - z_3 = 2. Row 1: wrong by 3, with z_1 - z_3 = 3."""
    torch.testing.assert_close(margin(Z, Y), torch.tensor([-1.0, 3.0]))
    torch.testing.assert_close(margin(Z, Y, T), torch.tensor([-3.0, -1.0]))
    torch.testing.assert_close(dlr(Z, Y), torch.tensor([-0.5, 1.0]))
    torch.testing.assert_close(dlr(Z, Y, T), torch.tensor([-3 / 2.5, 2 / 3.5]))
    torch.testing.assert_close(ce(Z, Y), cross_entropy(Z, Y, reduction="none"))
    torch.testing.assert_close(ce(Z, Y, T), -cross_entropy(Z, T, reduction="none"))


@given(st.floats(0.1, 100), st.floats(-50, 50))
def test_dlr_is_invariant_to_scale_and_shift(scale: float, shift: float) -> None:
    for target in (None, T):
        torch.testing.assert_close(dlr(scale * Z + shift, Y, target), dlr(Z, Y, target), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("classes", [2, 3])
def test_dlr_of_few_classes_is_a_difference(classes: int) -> None:
    z, y, t = Z[:, :classes], torch.tensor([0, 1]), torch.tensor([1, 0])
    if classes == 2:
        torch.testing.assert_close(dlr(z, y), margin(z, y))
    torch.testing.assert_close(dlr(z, y, t), z.gather(1, t[:, None])[:, 0] - z.gather(1, y[:, None])[:, 0])


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_losses_grow_against_the_label_and_towards_the_target(loss: Loss) -> None:
    z = Z[:1].clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(z, Y[:1], None).sum(), z)
    assert slope[0, Y[0]] < 0
    (slope,) = torch.autograd.grad(loss(z, Y[:1], T[:1]).sum(), z)
    assert slope[0, T[0]] > 0

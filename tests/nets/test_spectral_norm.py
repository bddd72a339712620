from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from sparring.nets.spectral_norm import SpectralNorm, spectral_norm


def wide(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (1, 4), (4, 1), (6, 2, 3, 3)], ids=str)
def test_uses_in_training_lead_to_a_norm_of_one(shape: tuple[int, ...]) -> None:
    weight = wide(*shape) * 7
    norm = SpectralNorm(weight)
    for _ in range(200):
        out = norm(weight)
    torch.testing.assert_close(torch.linalg.matrix_norm(out.flatten(1), 2), torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(out, weight / torch.linalg.matrix_norm(weight.flatten(1), 2))


def test_the_gradient_is_that_of_division_by_the_largest_singular_value() -> None:
    """Miyato et al. 2018, Eq. 9 to 11, against autograd's own derivative of a singular value."""
    weight = wide(4, 6).requires_grad_()
    norm = SpectralNorm(weight)
    for _ in range(300):
        norm(weight)
    norm.eval()
    direction = wide(4, 6).cos()
    (ours,) = torch.autograd.grad((norm(weight) * direction).sum(), weight)
    (exact,) = torch.autograd.grad((weight / torch.linalg.matrix_norm(weight, 2) * direction).sum(), weight)
    torch.testing.assert_close(ours, exact)
    assert gradcheck(norm, weight)  # at a fixed point of the iteration v moves in second order alone


def test_eval_mode_stores_nothing_and_training_does() -> None:
    weight = wide(4, 3)
    norm = SpectralNorm(weight)
    before = norm.u.clone()
    norm.eval()(weight)
    assert torch.equal(norm.u, before)
    norm.train()(weight)
    assert not torch.equal(norm.u, before)


def test_the_norm_of_u_does_not_matter() -> None:
    """Averages of unit vectors are shorter than one."""
    weight = wide(4, 3)
    norm = SpectralNorm(weight).eval()
    expected = norm(weight)
    norm.u *= 0.01
    torch.testing.assert_close(norm(weight), expected)


def test_a_layer_may_be_used_twice_before_the_backward_pass() -> None:
    layer, x = nn.Linear(3, 4), torch.randn(2, 3)
    spectral_norm([layer])
    (layer(x).sum() + layer(-x).square().sum()).backward()
    assert layer.parametrizations["weight"].original.grad is not None  # type: ignore[union-attr]


def test_precision_is_that_of_the_weight_and_zero_weights_are_finite() -> None:
    weight = torch.zeros(3, 2, requires_grad=True)
    norm = SpectralNorm(weight)
    with torch.autocast("cpu", torch.bfloat16):
        out = norm(weight)
    out.sum().backward()
    assert out.dtype == torch.float32 and not out.any() and torch.isfinite(weight.grad).all()  # type: ignore[arg-type]


def test_memory_format_changes_nothing() -> None:
    conv = nn.Conv2d(3, 4, 3)
    spectral_norm([conv])
    x, other = torch.randn(2, 3, 5, 5), copy.deepcopy(conv).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(conv(x), other(x))
    torch.testing.assert_close(conv.state_dict(), other.state_dict())

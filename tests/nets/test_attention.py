from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from sparring.nets.attention import SelfAttention, attention_size


def test_the_initial_layer_is_the_identity() -> None:
    x = torch.randn(2, 16, 5, 7)
    assert torch.equal(SelfAttention(16)(x), x)


def test_equations_1_to_4_position_by_position() -> None:
    torch.manual_seed(0)
    net, x = SelfAttention(16, pool=1), torch.randn(1, 16, 2, 3)
    torch.nn.init.constant_(net.gamma, 0.7)
    f, g, h = (conv.weight[:, :, 0, 0] @ x[0].flatten(1) for conv in (net.f, net.g, net.h))
    expected = x[0].flatten(1).clone()
    for j in range(6):
        s = torch.stack([f[:, i] @ g[:, j] for i in range(6)])
        o = net.v.weight[:, :, 0, 0] @ sum(b * h[:, i] for i, b in enumerate(s.softmax(0)))
        expected[:, j] += 0.7 * o
    torch.testing.assert_close(net(x)[0].flatten(1), expected)


def test_attention_is_equivariant_to_shifts() -> None:
    """Attention knows no places: permuted positions give permuted outputs."""
    net, x = SelfAttention(8, pool=1), torch.randn(2, 8, 4, 4)
    torch.nn.init.ones_(net.gamma)
    order = torch.randperm(16)
    moved = x.flatten(2)[:, :, order].view_as(x)
    torch.testing.assert_close(net(moved).flatten(2), net(x).flatten(2)[:, :, order])


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (4, 4)], ids=str)
def test_derivatives_of_any_size(size: tuple[int, int]) -> None:
    """Twice, as a penalty on D's gradient needs."""
    torch.manual_seed(0)
    net, x = SelfAttention(2).double(), torch.randn(1, 2, *size, dtype=torch.float64, requires_grad=True)
    torch.nn.init.ones_(net.gamma)
    assert gradcheck(net, x) and gradgradcheck(net, x)


def test_the_level_is_that_nearest_to_16x16() -> None:
    assert attention_size([(46, 56), (23, 28), (11, 14), (5, 7)]) == (11, 14)
    assert attention_size([(4, 100)]) == (4, 100)
    assert attention_size([(3, 5000), (7, 7)]) is None

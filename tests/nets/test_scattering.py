"""The scattering transform: shapes, invariances, gradients."""

import pytest
import torch

from sparring.nets.scattering import Scattering, _Filter, morlets


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 14), (1, 1, 1), (2, 5, 3)])
def test_shapes(shape):
    x = torch.randn(2, *shape)
    channels, height, width = shape
    assert Scattering(4)(x).shape == (2, channels * 25, -(-height // 4), -(-width // 4))


def test_wavelets_have_mean_0_and_turn():
    psi = morlets(4)
    assert psi.shape == (8, 1, 7, 7)
    torch.testing.assert_close(psi.sum((1, 2, 3)), torch.zeros(8), atol=1e-6, rtol=0)
    torch.testing.assert_close(psi[2, 0], psi[0, 0].T)  # half of half a turn


def test_gradients():
    psi = morlets(2).double()
    x = torch.randn(2, 1, 8, 9, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: _Filter.apply(x, psi), x)
    image = torch.randn(1, 1, 8, 8, requires_grad=True)
    Scattering(2)(image).sum().backward()
    assert torch.isfinite(image.grad).all() and image.grad.abs().sum() > 0


def test_a_shift_changes_less_than_a_turn():
    net, wave = Scattering(8), torch.sin(torch.arange(32.0) * 2.2)
    across, along = wave.expand(1, 1, 32, 32), wave[:, None].expand(1, 1, 32, 32)
    shifted = across.roll(1, 3)
    inner = (..., slice(2, 6), slice(2, 6))  # without the borders
    same, other = ((net(across) - net(x))[inner].norm() / net(across)[inner].norm() for x in (shifted, along))
    assert same < other / 2 and (shifted - across).norm() > (along - across).norm()  # pixels say the opposite
    torch.testing.assert_close(net(3 * across)[inner], 3 * net(across)[inner], rtol=1e-2, atol=1e-3)

"""Affine maps of colours: closed forms."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.data.augment.color_ops import colour_matrix, grey_matrix, tint


def matrix(luma: float = 1, saturation: float = 1, hue: float = 0) -> Tensor:
    return colour_matrix(*(torch.tensor([n], dtype=torch.float64) for n in (luma, saturation, hue)))[0]


def test_nothing_asked_is_the_identity_exactly() -> None:
    one, zero = torch.ones(2), torch.zeros(2)
    x = torch.randn(2, 3, 5, 4)
    assert torch.equal(colour_matrix(one, one, zero), torch.eye(3).expand(2, 3, 3))
    assert torch.equal(tint(x, colour_matrix(one, one, zero), zero), x)
    assert torch.equal(tint(x[:, :2], grey_matrix(one, 2), zero), x[:, :2])


def test_hue_by_a_third_of_a_circle_is_a_swap_of_channels() -> None:
    swap = torch.eye(3, dtype=torch.float64).roll(1, 0)
    torch.testing.assert_close(matrix(hue=2 * torch.pi / 3), swap)
    torch.testing.assert_close(matrix(hue=4 * torch.pi / 3), swap @ swap)
    turned = matrix(hue=0.7)
    torch.testing.assert_close(turned @ turned.T, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(turned.det(), torch.tensor(1.0, dtype=torch.float64))


def test_without_saturation_all_is_grey() -> None:
    x = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    grey = tint(x, matrix(saturation=0)[None], torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(grey, x.mean(1, keepdim=True).expand_as(x))


def test_luma_flips_and_chroma_stays() -> None:
    x = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    flipped = tint(x, matrix(luma=-1)[None], torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(flipped, x - 2 * x.mean(1, keepdim=True))


def test_brightness_and_contrast() -> None:
    x, factor, offset = torch.randn(2, 4, 3, 5), torch.tensor([0.5, 2]), torch.tensor([0.25, -1])
    seen = tint(x, grey_matrix(factor, 4), offset)
    torch.testing.assert_close(seen, x * factor.view(-1, 1, 1, 1) + offset.view(-1, 1, 1, 1))

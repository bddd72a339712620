from __future__ import annotations

import pytest
import torch

from sparring.restoration.fill import harmonic_fill, hole_radius, masked_reduce
from sparring.restoration.noise import estimate_noise


def test_a_plane_is_filled_exactly() -> None:
    plane = (torch.arange(24.0)[:, None] / 50 + torch.arange(20.0) / 60)[None, None]
    known = torch.ones(1, 1, 24, 20)
    known[..., 5:15, 4:12] = 0
    torch.testing.assert_close(harmonic_fill(plane * known, known), plane, atol=1e-3, rtol=0)


def test_each_filled_pixel_is_the_mean_of_its_neighbours() -> None:
    generator = torch.Generator().manual_seed(0)
    x, known = torch.rand(1, 3, 16, 16, generator=generator), torch.ones(1, 1, 16, 16)
    known[..., 4:9, 5:11] = 0
    u = harmonic_fill(x, known)
    mean = (u[..., 3:8, 5:11] + u[..., 5:10, 5:11] + u[..., 4:9, 4:10] + u[..., 4:9, 6:12]) / 4
    torch.testing.assert_close(u[..., 4:9, 5:11], mean, atol=1e-3, rtol=0)
    assert torch.equal(u * known, x * known)


def test_one_known_pixel_fills_all() -> None:
    known = torch.zeros(1, 1, 9, 9)
    known[..., 4, 4] = 1
    torch.testing.assert_close(harmonic_fill(torch.full((1, 1, 9, 9), 0.3), known), torch.full((1, 1, 9, 9), 0.3))


def test_the_radius_of_holes() -> None:
    known = torch.ones(1, 1, 20, 20)
    assert hole_radius(known) == 0
    known[..., 3:10, 4:15] = 0
    assert hole_radius(known) == 4


def test_half_the_size_ignores_what_is_unknown() -> None:
    x, known = torch.rand(1, 1, 5, 6), torch.ones(1, 1, 5, 6)
    known[..., 0, 0] = known[..., 2:4, 2:4] = 0
    half, weights = masked_reduce(x, known)
    assert half.shape == (1, 1, 3, 3)
    torch.testing.assert_close(half[0, 0, 0, 0], (x[0, 0, 0, 1] + x[0, 0, 1, 0] + x[0, 0, 1, 1]) / 3)
    assert float(weights[0, 0, 1, 1]) == 0 and float(half[0, 0, 1, 1]) == 0


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_white_noise_is_estimated_on_a_slope_with_an_edge(sigma: float) -> None:
    x = 0.3 + torch.arange(128.0).expand(1, 3, 128, 128) / 400
    x = x + 0.2 * (torch.arange(128) > 60)
    noisy = x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    assert estimate_noise(noisy.clamp(0, 1)) == pytest.approx(sigma, rel=0.05)


def test_cut_off_noise_in_the_dark_does_not_bias_the_estimate() -> None:
    x = torch.full((1, 1, 128, 128), 0.5)
    x[..., :64] = 0
    noisy = (x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    assert estimate_noise(noisy) == pytest.approx(0.1, rel=0.06)


def test_pictures_without_noise() -> None:
    assert estimate_noise(torch.full((1, 3, 32, 32), 0.2)) == 0
    assert estimate_noise(torch.zeros(1, 1, 32, 32)) == 0

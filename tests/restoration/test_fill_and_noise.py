from __future__ import annotations

import pytest
import torch

from sparring.restoration.edge_fill import diffuse, diffusion_tensor, edge_fill
from sparring.restoration.fill import biharmonic_fill, harmonic_fill, hole_radius, masked_reduce
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


def text_hole(side: int) -> torch.Tensor:
    known = torch.ones(1, 1, side, side)
    known[..., side // 2 - 2 : side // 2 + 2, 3:-3] = 0
    return known


def test_a_bent_surface_is_filled_better_by_the_least_bending() -> None:
    x = (torch.arange(32.0)[:, None] / 20).sin().mul(0.4).add(0.5).expand(1, 1, 32, 32)
    known = text_hole(32)
    errors = [float((fill(x * known, known) - x).abs().max()) for fill in (harmonic_fill, biharmonic_fill)]
    assert errors[1] < errors[0] / 4


def test_a_slanting_edge_goes_on_through_a_hole() -> None:
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    picture = torch.sigmoid((y * 0.8 + x - 44) * 2)[None, None] * torch.tensor([0.9, 0.2, 0.5]).view(1, 3, 1, 1)
    known = text_hole(48)
    fills = {fill: fill(picture * known, known) for fill in (harmonic_fill, biharmonic_fill, edge_fill)}
    errors = {fill: float((filled - picture).square().mean()) for fill, filled in fills.items()}
    assert errors[edge_fill] < errors[biharmonic_fill] / 1.5 and errors[edge_fill] < errors[harmonic_fill] / 3
    torch.testing.assert_close(fills[edge_fill] * known, picture * known)


def test_diffusion_is_symmetric_and_keeps_constants() -> None:
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.rand(1, 2, 12, 9, generator=generator, dtype=torch.float64) for _ in range(2))
    tensor = diffusion_tensor(u)
    assert float((diffuse(u, tensor) * v).sum()) == pytest.approx(float((diffuse(v, tensor) * u).sum()))
    assert float((diffuse(u, tensor) * u).sum()) > 0
    assert float(diffuse(torch.ones_like(u), tensor).abs().max()) < 1e-12
    assert torch.allclose(tensor[0] + tensor[2] >= 1, torch.tensor(True))


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

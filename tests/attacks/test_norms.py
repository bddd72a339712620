"""Projections against a brute-force search."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparring.attacks.norms import NORMS, Norm, length, project, project_onto_hyperplane

numbers = st.integers(0, 2**31)


def problem(seed: int, size: int, radius: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return perturbations `[3, size]`, radii and bounds; some entries are fixed."""
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(3, size, generator=generator, dtype=torch.float64)
    low = -torch.rand(3, size, generator=generator, dtype=torch.float64)
    high = torch.rand(3, size, generator=generator, dtype=torch.float64)
    low[:, ::4], high[:, 1::4] = 0, 0
    return delta, torch.tensor([radius, 2 * radius, 0.0], dtype=torch.float64), low, high


def by_search(norm: Norm, delta: Tensor, radius: float, low: Tensor, high: Tensor) -> Tensor:
    """Project one row: bisection on the Lagrange multiplier (Linf, L2, L1), or all sets of entries (L0)."""
    if norm == "Linf":
        return delta.clamp(low, high).clamp(-radius, radius)
    if norm == "L0":
        best, answer = torch.inf, delta
        for chosen in range(2 ** len(delta)):
            keep = torch.tensor([bool(chosen >> k & 1) for k in range(len(delta))])
            if keep.sum() <= radius and float((delta - delta.clamp(low, high) * keep).square().sum()) < best - 1e-12:
                answer = delta.clamp(low, high) * keep
                best = float((delta - answer).square().sum())
        return answer

    def projected_at(multiplier: float) -> Tensor:
        if norm == "L2":
            return (delta / (1 + multiplier)).clamp(low, high)
        return (delta.abs() - multiplier).clamp(min=0).copysign(delta).clamp(low, high)

    few, many = 0.0, 1e6
    if float(length(norm, projected_at(0.0)[None])) <= radius:
        return projected_at(0.0)
    for _ in range(200):
        half = (few + many) / 2
        few, many = (half, many) if float(length(norm, projected_at(half)[None])) > radius else (few, half)
    return projected_at(many)


@given(seed=numbers, size=st.integers(1, 9), radius=st.floats(0, 4))
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("norm", NORMS)
def test_projections_are_the_nearest_points(norm: Norm, seed: int, size: int, radius: float) -> None:
    if norm == "L0":
        radius = float(int(radius))
    delta, radii, low, high = problem(seed, size, radius)
    result = project(norm, delta, radii, low, high)
    for row in range(3):
        wanted = by_search(norm, delta[row], float(radii[row]), low[row], high[row])
        torch.testing.assert_close(result[row], wanted, atol=1e-4, rtol=1e-5)
    assert (length(norm, result) <= radii + 1e-9).all()
    assert ((result >= low) & (result <= high)).all()


@pytest.mark.parametrize("norm", NORMS)
def test_projection_is_idempotent(norm: Norm) -> None:
    delta, radii, low, high = problem(3, 40, 2.0)
    once = project(norm, delta, radii, low, high)
    torch.testing.assert_close(project(norm, once, radii, low, high), once, atol=1e-9, rtol=0)


def test_lengths() -> None:
    delta = torch.tensor([[[3.0, 0.0], [-4.0, 0.0]]])
    assert {norm: float(length(norm, delta)) for norm in NORMS} == {"Linf": 4, "L2": 5, "L1": 7, "L0": 2}


@given(seed=numbers, size=st.integers(1, 9), gap=st.floats(-3, 3))
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_projection_onto_a_hyperplane_is_shortest(norm: Norm, seed: int, size: int, gap: float) -> None:
    """It reaches the hyperplane, or as far as the bounds allow, and no shorter change does."""
    normal, _, low, high = problem(seed, size, 1.0)
    gaps = torch.tensor([gap, 0.1 * gap, 0.0], dtype=torch.float64)
    change = project_onto_hyperplane(norm, normal, gaps, low, high)
    assert ((change >= low) & (change <= high)).all()
    reach = torch.where(gaps > 0, (normal * torch.where(normal > 0, high, low)).sum(1), 0)
    reach = torch.where(gaps < 0, (normal * torch.where(normal > 0, low, high)).sum(1), reach)
    there = torch.where(gaps.abs() < reach.abs(), gaps, reach)
    torch.testing.assert_close((normal * change).sum(1), there, atol=1e-9, rtol=1e-9)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(20):  # any other point between the bounds, moved along the plane's normal until it is on the plane
        other = low + (high - low) * torch.rand(3, size, generator=generator, dtype=torch.float64)
        off = there - (normal * other).sum(1)
        other = other + off[:, None] * normal / normal.square().sum(1, keepdim=True)
        fits = ((other >= low) & (other <= high)).all(1)
        assert (length(norm, other)[fits] >= length(norm, change)[fits] - 1e-9).all()

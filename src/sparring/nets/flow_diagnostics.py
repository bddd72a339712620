"""Numbers that show whether a flow is still invertible in practice: singular values and round trips."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

ITERATIONS = 12
"""Power iterations. They find the largest singular value to a few per cent, from below."""

Map = Callable[[Tensor], Tensor]
"""Map of `[B, ...]` in which no row depends on another."""


@torch.enable_grad()
def largest_singular_value(function: Map, at: Tensor, generator: torch.Generator) -> Tensor:
    """Return the largest singular value `[B]` of the Jacobian J of `function` at each row, by power iteration on J^T J.

    J^T u is linear in u, so that its own backward pass gives J v.
    """
    x = at.detach().requires_grad_()
    image = function(x)
    u = torch.zeros_like(image, requires_grad=True)
    (pulled,) = torch.autograd.grad(image, x, u, create_graph=True)
    v = torch.randn(at.shape, generator=generator, device="cpu").to(at.device, at.dtype)
    for _ in range(ITERATIONS):
        (pushed,) = torch.autograd.grad(pulled, u, _normalised(v), retain_graph=True)
        (v,) = torch.autograd.grad(image, x, pushed, retain_graph=True)
    return _norm(v).sqrt()


def log_condition_number(to_latent: Map, to_data: Map, x: Tensor, generator: torch.Generator) -> float:
    """Return log10 of the largest to the smallest singular value of `to_data`, the mean over rows `x` `[B, ...]`.

    The smallest one is the inverse of the largest one of `to_latent`, so that both come from below (Grover et al. 2018,
    Flow-GAN, section 5).
    """
    largest = largest_singular_value(to_data, to_latent(x), generator)
    return float((largest * largest_singular_value(to_latent, x, generator)).log10().mean())


def round_trips(before: Tensor, after: Tensor, latent: Tensor, tolerance: float) -> dict[str, float]:
    """Return the proportion of rows that are finite and come back within `tolerance`, and their largest error."""
    error = (before - after).abs().flatten(1).amax(1)
    finite = torch.isfinite(latent.flatten(1)).all(1) & (error < tolerance)  # false for an error that is no number
    worst = float(error[finite].max()) if finite.any() else math.inf
    return {"finite_proportion": float(finite.float().mean()), "round_trip": worst}


def _normalised(direction: Tensor) -> Tensor:
    return direction / _norm(direction).view(-1, *[1] * (direction.dim() - 1))


def _norm(rows: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(rows.flatten(1), dim=1)
    return norm

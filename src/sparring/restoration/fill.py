"""Fill holes of a picture by the smoothest surface: the baseline of a restored picture, and the start of the prior."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

MAX_ITERATIONS = 300
"""Iterations that fill holes tens of pixels wide; wider ones stay between the fill and their start."""
TOLERANCE = 1e-4
"""Largest gradient of a pixel, in units of the range from 0 to 1, at which the fill counts as solved."""


def harmonic_fill(x: Tensor, known: Tensor) -> Tensor:
    """Return `x` `[1, C, H, W]` with the pixels where `known` `[1, 1, H, W]` is 0 replaced by the harmonic fill.

    Each is the mean of its neighbours; borders reflect.
    """
    mean = (x * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    return solve(laplacian, x * known + mean * (1 - known), 1 - known)


def biharmonic_fill(x: Tensor, known: Tensor) -> Tensor:
    """Return `x` filled like `harmonic_fill`, with the least bending: slopes go on through thin holes."""
    return solve(lambda u: laplacian(laplacian(u)), harmonic_fill(x, known), 1 - known)


def solve(operator: Callable[[Tensor], Tensor], u: Tensor, hole: Tensor, iterations: int = MAX_ITERATIONS) -> Tensor:
    """Return `u` with the pixels of `hole` changed so that the symmetric `operator` is 0 there: conjugate gradients."""
    residual = -hole * operator(u)
    direction, norm = residual, residual.square().sum((2, 3), keepdim=True)
    for _ in range(iterations):
        if float(residual.abs().max()) < TOLERANCE:
            break
        image = hole * operator(direction)
        step = norm / (direction * image).sum((2, 3), keepdim=True).clamp(min=1e-30)
        u, residual = u + step * direction, residual - step * image
        before, norm = norm, residual.square().sum((2, 3), keepdim=True)
        direction = residual + norm / before.clamp(min=1e-30) * direction
    return u


def laplacian(u: Tensor) -> Tensor:
    """Return 4 times each pixel less its neighbours, with reflected borders."""
    p = pad(u, (1, 1, 1, 1), mode="replicate")
    differences: Tensor = 4 * u - p[..., 1:-1, :-2] - p[..., 1:-1, 2:] - p[..., :-2, 1:-1] - p[..., 2:, 1:-1]
    return differences


def masked_reduce(x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return a picture `[1, C, H, W]` at half its size, rounded up, and the proportion known of each pixel.

    Each pixel is the mean of the known ones of its four; 0 where there is none.
    """
    border = 0, x.shape[3] % 2, 0, x.shape[2] % 2
    weights = avg_pool2d(pad(known, border), 2)
    return avg_pool2d(pad(x * known, border), 2) / weights.clamp(min=1e-6), weights


def hole_radius(known: Tensor) -> int:
    """Return the largest distance of a hole's pixel to the next known one, in steps to 8 neighbours."""
    radius, rest = 0, known
    while not bool(rest.all()):
        rest, radius = max_pool2d(rest, 3, 1, 1), radius + 1
    return radius

"""The sliced Wasserstein distance: no network, no tuning, any data of one shape."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sparring.stats.intervals import Estimate

DIRECTIONS = 256
AT_ONCE = 32
"""Directions: with more, those of large images would take more memory than the images."""


def sliced_wasserstein(x: Tensor, y: Tensor, *, directions: int = DIRECTIONS, seed: int = 0) -> float:
    """The mean over random directions of the 1-D 2-Wasserstein distance of `x` and `y`, both `[N, ...]` with equal N.

    Rabin et al. 2012. The unit is that of the data's values, per square root of a value: it does not grow with the
    number of pixels. Directions come from `seed`, so figures of one shape compare.
    """
    distances = [
        (a.sort(0).values - b.sort(0).values).square().mean(0).sqrt() for a, b in _lines(x, y, directions, seed)
    ]
    return float(torch.cat(distances).mean())


def sliced_estimate(x: Tensor, y: Tensor, *, directions: int = DIRECTIONS, seed: int = 0) -> Estimate:
    """`sliced_wasserstein` with each row's pull: its Kantorovich potential over twice the distance, on each line."""
    pull_x, pull_y = (torch.zeros(len(rows), dtype=torch.float64, device=rows.device) for rows in (x, y))
    total = 0.0
    for a, b in _lines(x, y, directions, seed):
        (a, order_a), (b, order_b) = a.sort(0), b.sort(0)
        apart = a - b
        distance = apart.square().mean(0).sqrt()
        total += float(distance.sum())
        scale = 0.5 / distance.clamp_min(1e-300) / directions
        pull_x.index_add_(0, order_a.flatten(), (_potential(a, apart) * scale).flatten())
        pull_y.index_add_(0, order_b.flatten(), (_potential(b, -apart) * scale).flatten())
    return Estimate(total / directions, pull_x, pull_y)


def _potential(points: Tensor, moved: Tensor) -> Tensor:
    """The integral of 2 (p - T(p)) along sorted points `[N, lines]`, mean 0: what a point more would cost."""
    steps = (points[1:] - points[:-1]) * (moved[1:] + moved[:-1])
    potential = torch.cat([torch.zeros_like(points[:1]), steps.cumsum(0)])
    return potential - potential.mean(0)


def _lines(x: Tensor, y: Tensor, directions: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Where `x` and `y` lie on random lines, `[N, <=AT_ONCE]` each at a time."""
    if len(x) != len(y) or x[0].shape != y[0].shape:
        raise ValueError(f"x and y must have one shape, not {list(x.shape)} and {list(y.shape)}")
    generator = torch.Generator().manual_seed(seed)
    for first in range(0, directions, AT_ONCE):
        lines = torch.randn(x[0].numel(), min(AT_ONCE, directions - first), generator=generator, dtype=torch.float64)
        lines = (lines / lines.norm(dim=0)).to(x.device)
        yield _along(x, lines), _along(y, lines)


def _along(x: Tensor, lines: Tensor) -> Tensor:
    """Where each of `x` lies on each line, in float64, some rows at a time: large images are not copied whole."""
    rows = max(1, (1 << 22) // lines.shape[0])
    return torch.cat([part.flatten(1).double() @ lines for part in torch.split(x, rows)])

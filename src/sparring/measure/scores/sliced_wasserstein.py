"""The sliced Wasserstein distance: for data of any shape, without a network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sparring.engine.chunks import chunked
from sparring.stats.intervals import Estimate

DIRECTIONS = 256
CHUNK_DIRECTIONS = 32
"""Directions in memory at once: more would take more memory than large images do."""
CHUNK_VALUES = 1 << 22
"""Values of x converted to float64 at once."""


def sliced_wasserstein(x: Tensor, y: Tensor, *, directions: int = DIRECTIONS, seed: int = 0) -> float:
    """Return the mean over random directions of the 1-D 2-Wasserstein distance of x and y, both `[N, ...]`.

    Rabin et al. 2012. The unit is that of a data value and does not grow with the number of values per row. Directions
    depend on `seed` alone, so distances of data of one shape are comparable. Raises ValueError for different shapes.
    """
    distances = [
        (a.sort(0).values - b.sort(0).values).square().mean(0).sqrt() for a, b in _projections(x, y, directions, seed)
    ]
    return float(torch.cat(distances).mean())


def sliced_estimate(x: Tensor, y: Tensor, *, directions: int = DIRECTIONS, seed: int = 0) -> Estimate:
    """Return `sliced_wasserstein` with the influence of each row: its Kantorovich potential over twice the distance."""
    influence_x, influence_y = (torch.zeros(len(rows), dtype=torch.float64, device=rows.device) for rows in (x, y))
    total = 0.0
    for a, b in _projections(x, y, directions, seed):
        (a, order_a), (b, order_b) = a.sort(0), b.sort(0)
        difference = a - b
        distance = difference.square().mean(0).sqrt()
        total += float(distance.sum())
        scale = 0.5 / distance.clamp_min(1e-300) / directions
        influence_x.index_add_(0, order_a.flatten(), (_potential(a, difference) * scale).flatten())
        influence_y.index_add_(0, order_b.flatten(), (_potential(b, -difference) * scale).flatten())
    return Estimate(total / directions, influence_x, influence_y)


def _potential(points: Tensor, difference: Tensor) -> Tensor:
    """Return the integral of 2 (p - T(p)) along sorted points `[N, directions]`, with mean 0."""
    steps = (points[1:] - points[:-1]) * (difference[1:] + difference[:-1])
    potential = torch.cat([torch.zeros_like(points[:1]), steps.cumsum(0)])
    return potential - potential.mean(0)


def _projections(x: Tensor, y: Tensor, directions: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the projections of x and y onto up to CHUNK_DIRECTIONS random directions, `[N, D]` each."""
    if len(x) != len(y) or x[0].shape != y[0].shape:
        raise ValueError(f"x and y must have one shape, not {list(x.shape)} and {list(y.shape)}")
    generator = torch.Generator().manual_seed(seed)
    for first in range(0, directions, CHUNK_DIRECTIONS):
        count = min(CHUNK_DIRECTIONS, directions - first)
        vectors = torch.randn(x[0].numel(), count, generator=generator, dtype=torch.float64)
        vectors = (vectors / vectors.norm(dim=0)).to(x.device)
        yield _project(x, vectors), _project(y, vectors)


def _project(x: Tensor, vectors: Tensor) -> Tensor:
    """Return x `[N, ...]` projected onto unit `vectors` `[d, D]`, float64 `[N, D]`."""
    return chunked(lambda chunk: chunk.flatten(1).double() @ vectors, x, max(1, CHUNK_VALUES // vectors.shape[0]))

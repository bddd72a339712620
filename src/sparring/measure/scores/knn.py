"""Exact k-nearest neighbours and exact counts of pairs within a distance.

Own code: exact, and faster than scikit-learn's pairwise distances (benchmarks/prdc.py). All distances come from
products of tiles of the matrices, a few megabytes at a time. Where rounding of the product could change a comparison,
the distance is computed again from the rows in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

TILE_ROWS = 1024
"""Rows on each side of a tile of a distance matrix: 4 MB in float32."""
SPARE_CANDIDATES = 3
"""Candidates beyond the k nearest, so that rounding among near ties excludes none of the k."""
CHUNK_VALUES = 1 << 17
"""Values whose differences are computed together: they stay in the CPU cache."""


def nearest_neighbours(
    queries: Tensor, base: Tensor, k: int = 1, *, exclude_self: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the distances `[N, k]`, ascending, and the indices `[N, k]` of the k rows of `base` nearest to each query.

    `queries` is `[N, d]`, `base` `[M, d]`. Distances are Euclidean, float64 and exact: equal rows have distance 0.
    `exclude_self`: both are one matrix, and a row is not its own neighbour; another equal row is. Raises ValueError if
    `base` has fewer than k such rows.
    """
    queries, base = as_float(queries), as_float(base)
    mean = base.mean(0)
    base_rows = CentredRows.of(base, mean)
    query_rows = base_rows if exclude_self else CentredRows.of(queries, mean)
    _, candidates = _candidates(query_rows, base_rows, k, exclude_self)
    query_idx = torch.arange(len(queries), device=queries.device).repeat_interleave(candidates.shape[1])
    squared = _exact_squared(queries, base, query_idx, candidates.flatten()).view(candidates.shape)
    squared, order = squared.sort(stable=True, dim=1)
    return squared[:, :k].sqrt(), candidates.gather(1, order[:, :k])


def count_earlier_within(x: Tensor, distance: float) -> Tensor:
    """Return the number of earlier rows within `distance` of each row of x `[N, d]`, `[N]`; their sum counts pairs."""
    x = as_float(x)
    rows, counts = CentredRows.of(x, x.mean(0)), torch.zeros(len(x), dtype=torch.float64, device=x.device)
    limit = torch.full((1, 1), distance**2, dtype=torch.float64, device=x.device)
    for earlier in tiles(len(x)):
        for later in tiles(len(x)):
            if later.start >= earlier.start:
                inside = inside_mask(rows[earlier], rows[later], squared_bounds(rows[earlier], rows[later]), limit)
                counts[later] += (inside.triu(1) if later == earlier else inside).sum(0)
    return counts.long()


def squared_radii(rows: CentredRows, k: int) -> Tensor:
    """Return the exact squared distance of each row to its k-th nearest other row, float64 `[N]`."""
    squared, candidates = _candidates(rows, rows, k, exclude_self=True)
    rounding = rows.rounding[:, None] + rows.rounding[candidates]
    uncertain = (squared - squared[:, k - 1 : k]).abs() <= rounding + rounding[:, k - 1 : k]
    i, j = uncertain.nonzero().unbind(1)
    squared = squared.double()
    squared[i, j] = _exact_squared(rows.x, rows.x, i, candidates[i, j])
    return squared.kthvalue(k, 1).values


@dataclass(frozen=True)
class CentredRows:
    """Rows minus a common mean, which keeps rounding of products small, with their squared norms."""

    x: Tensor
    """Rows as given, `[N, d]`, for exact distances."""
    centred: Tensor
    norms: Tensor
    """Squared norms of the centred rows, `[N]`."""

    @classmethod
    def of(cls, x: Tensor, mean: Tensor) -> CentredRows:
        """Subtract `mean` `[d]` from x `[N, d]`."""
        centred = x - mean
        norms = torch.cat([chunk.square().sum(1) for chunk in torch.split(centred, TILE_ROWS // 8)])
        return cls(x, centred, norms)

    def __getitem__(self, rows: slice) -> CentredRows:
        return CentredRows(self.x[rows], self.centred[rows], self.norms[rows])

    def __len__(self) -> int:
        return len(self.x)

    @property
    def rounding(self) -> Tensor:
        """Each row's part of the rounding error of a squared distance, `[N]`: some standard deviations of d sums."""
        return (8 + 2 * math.sqrt(self.x.shape[1])) * torch.finfo(self.norms.dtype).eps * self.norms


def squared_bounds(a: CentredRows, b: CentredRows) -> tuple[Tensor, Tensor]:
    """Return lower and upper bounds of the squared distances `[A, B]` that hold despite rounding."""
    low = _squared_distances(a, b, a.norms - a.rounding, b.norms - b.rounding)
    return low, (low + 2 * a.rounding[:, None]).add_(2 * b.rounding)


def inside_mask(a: CentredRows, b: CentredRows, bounds: tuple[Tensor, Tensor], squared_limits: Tensor) -> Tensor:
    """Return 1 where the squared distance is at most `squared_limits` (broadcast), else 0; floats `[A, B]`."""
    (low, high), limits = bounds, squared_limits.to(bounds[0].dtype)
    inside, certain = torch.empty_like(low), torch.empty_like(low)
    torch.le(low, limits, out=inside)  # floats: a product counts them much faster than a sum of bools
    torch.le(high, limits, out=certain)
    uncertain_rows = (inside.sum(1) != certain.sum(1)).nonzero().flatten()
    if len(uncertain_rows):
        i, j = (inside[uncertain_rows] != certain[uncertain_rows]).nonzero().unbind(1)
        i = uncertain_rows[i]
        inside[i, j] = (_exact_squared(a.x, b.x, i, j) <= squared_limits.expand_as(low)[i, j]).to(inside)
    return inside


def tiles(n: int) -> Iterator[slice]:
    """Yield slices of at most TILE_ROWS that cover range(n)."""
    return (slice(first, min(first + TILE_ROWS, n)) for first in range(0, n, TILE_ROWS))


def as_float(x: Tensor) -> Tensor:
    """Return x if it is float32 or float64, else as float64."""
    return x if x.dtype in (torch.float32, torch.float64) else x.double()


def _candidates(queries: CentredRows, base: CentredRows, k: int, exclude_self: bool) -> tuple[Tensor, Tensor]:
    """Return approximate squared distances and indices of the k nearest rows and spares, ascending, `[N, k + few]`."""
    available = len(base) - exclude_self
    if not 1 <= k <= available:
        raise ValueError(f"{k} nearest rows need a base of {k + exclude_self} rows or more, not {len(base)}")
    count = min(k + SPARE_CANDIDATES, available)
    squared = queries.norms.new_full((len(queries), count), math.inf)
    candidates = torch.zeros(len(queries), count, dtype=torch.long, device=squared.device)

    def merge(rows: slice, tile: Tensor, first_column: int) -> None:
        new, columns = tile.topk(min(count, tile.shape[1]), 1, largest=False, sorted=False)
        squared[rows], order = torch.cat([squared[rows], new], 1).topk(count, 1, largest=False)
        candidates[rows] = torch.cat([candidates[rows], columns + first_column], 1).gather(1, order)

    for rows in tiles(len(queries)):
        for columns in tiles(len(base)):
            if exclude_self and columns.start < rows.start:
                continue  # the matrix is symmetric: this tile was merged from the other side
            a, b = queries[rows], base[columns]
            tile = _squared_distances(a, b, a.norms, b.norms)
            if exclude_self and columns == rows:
                tile.fill_diagonal_(math.inf)
            merge(rows, tile, columns.start)
            if exclude_self and columns != rows:
                merge(columns, tile.T, rows.start)
    return squared, candidates


def _squared_distances(a: CentredRows, b: CentredRows, norms_a: Tensor, norms_b: Tensor) -> Tensor:
    """Return `norms_a` + `norms_b` - 2ab, `[A, B]`."""
    return torch.addmm(norms_b, a.centred, b.centred.T, alpha=-2).add_(norms_a[:, None])


def _exact_squared(a: Tensor, b: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Return the squared distances of the pairs `a[i]`, `b[j]`, from their differences in float64."""
    chunk_pairs = max(CHUNK_VALUES // a.shape[1], 1)
    chunks = [
        (a[p].double() - b[q].double()).square().sum(1)
        for p, q in zip(torch.split(i, chunk_pairs), torch.split(j, chunk_pairs), strict=True)
    ]
    return torch.cat(chunks)

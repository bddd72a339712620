"""The Fréchet distance of two sets of features: that of the Gaussians with their means and covariances."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.engine.chunks import chunked
from sparring.stats.intervals import Estimate

CHUNK_ROWS, BLOCK_COLUMNS = 2048, 256
"""Rows of a product that is summed in float64, and columns of a block of the covariance.

The covariance is symmetric, so blocks below the diagonal are mirrored."""
MIN_EIGENVALUE = 1e-10
"""Smallest eigenvalue that is divided by, as a fraction of the mean one."""


@dataclass(frozen=True)
class Moments:
    """Count, mean `[d]` and unbiased covariance `[d, d]` of a set of rows, float64."""

    count: int
    mean: Tensor
    covariance: Tensor


def moments(x: Tensor) -> Moments:
    """Return the moments of x `[N, d]`, N >= 2; products are in the precision of x, sums in float64."""
    count, d = x.shape
    if count < 2:
        raise ValueError(f"a covariance needs 2 rows or more, not {count}")
    x = x.detach()
    shift = x[:CHUNK_ROWS].mean(0)  # near the mean, so that float32 products do not lose precision
    scatter = torch.zeros(d, d, dtype=torch.float64, device=x.device)
    total = torch.zeros(d, dtype=torch.float64, device=x.device)
    buffer = torch.empty_like(x[:CHUNK_ROWS])  # allocated once: fresh memory costs as much as the subtraction
    for chunk in torch.split(x, CHUNK_ROWS):
        centred = torch.sub(chunk, shift, out=buffer[: len(chunk)])
        total += centred.sum(0)
        for first in range(0, d, BLOCK_COLUMNS):
            scatter[first : first + BLOCK_COLUMNS, first:] += (
                centred[:, first : first + BLOCK_COLUMNS].T @ centred[:, first:]
            )
    scatter = scatter.triu() + scatter.triu(1).T
    mean = total / count
    covariance = (scatter - count * torch.outer(mean, mean)) / (count - 1)
    return Moments(count, mean + shift.double(), covariance)


def distance(a: Moments, b: Moments) -> float:
    """Return |m_a - m_b|^2 + tr(A + B - 2 (A B)^1/2) (Dowson and Landau 1982; Heusel et al. 2017, Eq. 6)."""
    root = _root(a.covariance)
    trace_of_root = torch.linalg.eigvalsh(root.T @ b.covariance @ root).clamp_min(0).sqrt().sum()
    mean_term = (a.mean - b.mean).square().sum()
    return float(mean_term + a.covariance.trace() + b.covariance.trace() - 2 * trace_of_root)


def frechet_distance(x: Tensor, y: Tensor) -> Estimate:
    """Return the Fréchet distance of features x `[N, d]` and y `[M, d]`.

    It is biased upwards by about c / N (`frechet_extrapolated` removes that), and meaningless unless N and M are well
    above d. Its interval is for its mean at this N and M.
    """
    a, b = moments(x), moments(y)
    return Estimate(distance(a, b), *_influences(x, y, a, b))


def frechet_extrapolated(x: Tensor, y: Tensor, seed: int = 0) -> Estimate:
    """Return the distance extrapolated to infinitely many rows, by the line through all rows and halves, at 1/N = 0.

    Chong and Forsyth 2020 fit the line to fifteen random subsets. Disjoint halves use every row in both terms, and need
    no choice of sizes. The result may be slightly below 0 if the distance is 0.
    """
    generator = torch.Generator().manual_seed(seed)
    halves = [
        [moments(half) for half in rows[torch.randperm(len(rows), generator=generator)].chunk(2)] for rows in (x, y)
    ]
    a, b = (_pooled(*pair) for pair in halves)
    mean_of_halves = sum(distance(half_x, half_y) for half_x in halves[0] for half_y in halves[1]) / 4
    return Estimate(2 * distance(a, b) - mean_of_halves, *_influences(x, y, a, b))


def _pooled(a: Moments, b: Moments) -> Moments:
    """Return the moments of the union of two sets."""
    count = a.count + b.count
    difference = a.mean - b.mean
    scatter = (a.count - 1) * a.covariance + (b.count - 1) * b.covariance
    scatter += a.count * b.count / count * torch.outer(difference, difference)
    return Moments(count, (a.count * a.mean + b.count * b.mean) / count, scatter / (count - 1))


def _root(covariance: Tensor) -> Tensor:
    """Return L with L Lᵀ = covariance: by Cholesky, or by eigenvalues if some are zero."""
    lower: Tensor
    lower, failed = torch.linalg.cholesky_ex(covariance)
    if failed:
        values, vectors = torch.linalg.eigh(covariance)
        lower = vectors * values.clamp_min(0).sqrt()
    return lower


def _influences(x: Tensor, y: Tensor, a: Moments, b: Moments) -> tuple[Tensor, Tensor]:
    """Return the influence of each row of x and of y on the distance.

    The derivative by A is I - T, where T = A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2 is the optimal transport from a to b. That
    by B is I - T^-1. So the influence of a row r of x is 2 (m_a - m_b)ᵀ(r - m_a) + (r - m_a)ᵀ(I - T)(r - m_a), minus
    its mean.
    """
    min_value = MIN_EIGENVALUE * float(torch.maximum(a.covariance.trace(), b.covariance.trace())) / len(a.mean) + 1e-30
    values, vectors = torch.linalg.eigh(a.covariance)
    values = values.clamp_min(min_value).sqrt()
    product_values, product_vectors = torch.linalg.eigh((vectors * values).T @ b.covariance @ (vectors * values))
    product_values = product_values.clamp_min(max(float(product_values[-1]) * MIN_EIGENVALUE, min_value**2))
    root = (vectors / values) @ (
        product_vectors * product_values.pow(0.25)
    )  # T is the product of root and its transpose
    inverse_root = (vectors * values) @ (product_vectors * product_values.pow(-0.25))
    difference = a.mean - b.mean
    return _influence(x, a.mean, difference, root), _influence(y, b.mean, -difference, inverse_root)


def _influence(x: Tensor, mean: Tensor, difference: Tensor, root: Tensor) -> Tensor:
    def of_chunk(chunk: Tensor) -> Tensor:
        centred = chunk - mean.to(chunk.dtype)
        transported = centred @ root.to(chunk.dtype)
        return 2 * centred @ difference.to(chunk.dtype) + centred.square().sum(1) - transported.square().sum(1)

    influence = chunked(of_chunk, x, CHUNK_ROWS).double()
    return influence - influence.mean()

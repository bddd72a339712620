"""The Fréchet distance of two sets of features: between the Gaussians of their means and covariances."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.stats.intervals import Estimate

ROWS, COLUMNS = 2048, 256
"""A product of so many rows is summed in float64; the covariance is symmetric, so it is made in blocks of so many
columns, and those below the diagonal are mirrored."""
SMALLEST = 1e-10
"""Eigenvalues below this share of what is usual count as this share where they are divided by."""


@dataclass(frozen=True)
class Moments:
    """Count, mean `[d]` and unbiased covariance `[d, d]` of rows, float64: all that the distance needs of them."""

    count: int
    mean: Tensor
    covariance: Tensor


def moments(rows: Tensor) -> Moments:
    """Of `rows` `[N, d]`, N of 2 or more; products in the rows' own precision, sums in float64."""
    count, d = rows.shape
    if count < 2:
        raise ValueError(f"a covariance needs 2 rows or more, not {count}")
    rows = rows.detach()
    shift = rows[:ROWS].mean(0)  # near the mean: float32 products then lose nothing to a large common part
    scatter = torch.zeros(d, d, dtype=torch.float64, device=rows.device)
    total = torch.zeros(d, dtype=torch.float64, device=rows.device)
    room = torch.empty_like(rows[:ROWS])  # to be asked for once: fresh memory costs as much as the subtraction
    for part in torch.split(rows, ROWS):
        centred = torch.sub(part, shift, out=room[: len(part)])
        total += centred.sum(0)
        for first in range(0, d, COLUMNS):
            scatter[first : first + COLUMNS, first:] += centred[:, first : first + COLUMNS].T @ centred[:, first:]
    scatter = scatter.triu() + scatter.triu(1).T
    mean = total / count
    covariance = (scatter - count * torch.outer(mean, mean)) / (count - 1)
    return Moments(count, mean + shift.double(), covariance)


def distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(A + B - 2 (A B)^1/2) (Dowson and Landau 1982; Heusel et al. 2017, Eq. 6)."""
    root = _root(a.covariance)
    shared = torch.linalg.eigvalsh(root.T @ b.covariance @ root).clamp_min(0).sqrt().sum()
    apart = (a.mean - b.mean).square().sum()
    return float(apart + a.covariance.trace() + b.covariance.trace() - 2 * shared)


def frechet_distance(x: Tensor, y: Tensor) -> Estimate:
    """The distance of features `[N, d]` and `[M, d]`.

    It reads too high by about c / N (`frechet_extrapolated` takes that off), and nothing sensible where N or M is not
    well above d. Its interval is that of its mean at just this N and M.
    """
    a, b = moments(x), moments(y)
    return Estimate(distance(a, b), *_pulls(x, y, a, b))


def frechet_extrapolated(x: Tensor, y: Tensor, seed: int = 0) -> Estimate:
    """The distance that infinitely many rows would have: the line through all rows and halves of them, at 1/N = 0.

    Chong and Forsyth 2020 fit the line to fifteen random subsets; halves that share no row use every row at both
    places, and need no choice of sizes. It may fall a little below 0 where the distance is 0.
    """
    generator = torch.Generator().manual_seed(seed)
    halves = [
        [moments(half) for half in rows[torch.randperm(len(rows), generator=generator)].chunk(2)] for rows in (x, y)
    ]
    a, b = (_together(*pair) for pair in halves)
    in_halves = sum(distance(one, other) for one in halves[0] for other in halves[1]) / 4
    return Estimate(2 * distance(a, b) - in_halves, *_pulls(x, y, a, b))


def _together(a: Moments, b: Moments) -> Moments:
    """The moments of both sets of rows as one."""
    count = a.count + b.count
    apart = a.mean - b.mean
    scatter = (a.count - 1) * a.covariance + (b.count - 1) * b.covariance
    scatter += a.count * b.count / count * torch.outer(apart, apart)
    return Moments(count, (a.count * a.mean + b.count * b.mean) / count, scatter / (count - 1))


def _root(covariance: Tensor) -> Tensor:
    """L with L Lᵀ = the covariance: by Cholesky, or by eigenvalues where some are zero."""
    lower: Tensor
    lower, failed = torch.linalg.cholesky_ex(covariance)
    if failed:
        values, vectors = torch.linalg.eigh(covariance)
        lower = vectors * values.clamp_min(0).sqrt()
    return lower


def _pulls(x: Tensor, y: Tensor, a: Moments, b: Moments) -> tuple[Tensor, Tensor]:
    """The influence of each row on the distance.

    The derivative by A is I - T, where T = A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2 is the optimal transport from a to b, and
    that by B is I - T^-1; so the influence of a row r of x is 2 (m_a - m_b)ᵀ(r - m_a) + (r - m_a)ᵀ(I - T)(r - m_a),
    less its mean.
    """
    least = SMALLEST * float(torch.maximum(a.covariance.trace(), b.covariance.trace())) / len(a.mean) + 1e-30
    values, vectors = torch.linalg.eigh(a.covariance)
    values = values.clamp_min(least).sqrt()
    middle, inner = torch.linalg.eigh((vectors * values).T @ b.covariance @ (vectors * values))
    middle = middle.clamp_min(max(float(middle[-1]) * SMALLEST, least**2))
    there = (vectors / values) @ (inner * middle.pow(0.25))  # T is the product of this and its transpose
    back = (vectors * values) @ (inner * middle.pow(-0.25))
    apart = a.mean - b.mean
    return _pull(x, a.mean, apart, there), _pull(y, b.mean, -apart, back)


def _pull(rows: Tensor, mean: Tensor, apart: Tensor, transport: Tensor) -> Tensor:
    pulls = []
    for part in torch.split(rows, ROWS):
        centred = part - mean.to(part.dtype)
        moved = centred @ transport.to(part.dtype)
        pulls.append(2 * centred @ apart.to(part.dtype) + centred.square().sum(1) - moved.square().sum(1))
    pull = torch.cat(pulls).double()
    return pull - pull.mean()

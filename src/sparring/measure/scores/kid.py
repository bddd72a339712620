"""The kernel distance of two sets of features: the squared maximum mean discrepancy, unbiased at any N."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.engine.chunks import chunked
from sparring.stats.intervals import Estimate

BLOCK_ROWS = 10_000
"""Rows compared with one another; of more, the mean over disjoint blocks, as unbiased and much faster."""
CHUNK_ROWS = 1024
"""Rows of the kernel matrix in memory at once."""


def kernel_distance(x: Tensor, y: Tensor) -> Estimate:
    """Return the unbiased squared MMD of features `[N, d]`, `[M, d]` with the kernel (xᵀy / d + 1)^3, in float64.

    Bińkowski et al. 2018, "Demystifying MMD GANs", section 4; Gretton et al. 2012, Eq. 3. Its expectation is 0 for
    equal distributions, so single values may be negative.
    """
    count = max(-(-max(len(x), len(y)) // BLOCK_ROWS), 1)
    blocks = [_block(a, b) for a, b in zip(x.tensor_split(count), y.tensor_split(count), strict=True)]
    value = sum(block.value for block in blocks) / count
    return Estimate(value, torch.cat([block.x for block in blocks]), torch.cat([block.y for block in blocks]))


def _block(x: Tensor, y: Tensor) -> Estimate:
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise ValueError(f"the kernel distance needs 2 rows or more of both, not {n} and {m}")
    x, y = x.double(), y.double()
    within_x, within_y = _kernel_means(x, x, exclude_self=True), _kernel_means(y, y, exclude_self=True)
    x_to_y = _kernel_means(x, y)
    y_to_x = _kernel_means(y, x)
    influence_x, influence_y = 2 * (within_x - x_to_y), 2 * (within_y - y_to_x)
    value = float(within_x.mean() + within_y.mean() - 2 * x_to_y.mean())
    return Estimate(value, influence_x - influence_x.mean(), influence_y - influence_y.mean())


def _kernel_means(x: Tensor, others: Tensor, exclude_self: bool = False) -> Tensor:
    """Return each row's mean kernel with all rows of `others`, without itself if `exclude_self` (`others` is x)."""
    d = x.shape[1]
    sums = chunked(lambda chunk: ((chunk @ others.T) / d + 1).pow(3).sum(1), x, CHUNK_ROWS)
    if not exclude_self:
        return sums / len(others)
    return (sums - (x.square().sum(1) / d + 1).pow(3)) / (len(others) - 1)

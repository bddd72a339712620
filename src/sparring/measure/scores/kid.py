"""The kernel distance of two sets of features: the squared maximum mean discrepancy, without bias at any N."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.stats.intervals import Estimate

BLOCK = 10_000
"""Rows compared with one another; of more, the mean over blocks that share no row, as unbiased and far faster."""
ROWS = 1024
"""Of a kernel matrix that are held at once."""


def kernel_distance(x: Tensor, y: Tensor) -> Estimate:
    """The unbiased squared MMD of features `[N, d]`, `[M, d]` with the kernel (xᵀy / d + 1)^3, computed in float64.

    Bińkowski et al. 2018, "Demystifying MMD GANs", section 4; Gretton et al. 2012, Eq. 3. It is 0 on average where both
    come from one distribution, so single values fall below 0 there.
    """
    blocks = max(-(-max(len(x), len(y)) // BLOCK), 1)
    parts = [_block(a, b) for a, b in zip(x.tensor_split(blocks), y.tensor_split(blocks), strict=True)]
    value = sum(part.value for part in parts) / blocks
    return Estimate(value, torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts]))


def _block(x: Tensor, y: Tensor) -> Estimate:
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise ValueError(f"the kernel distance needs 2 rows or more of both, not {n} and {m}")
    x, y = x.double(), y.double()
    within_x, within_y = _means(x, x, itself=True), _means(y, y, itself=True)
    across = _means(x, y)
    back = _means(y, x)
    pull_x, pull_y = 2 * (within_x - across), 2 * (within_y - back)
    value = float(within_x.mean() + within_y.mean() - 2 * across.mean())
    return Estimate(value, pull_x - pull_x.mean(), pull_y - pull_y.mean())


def _means(rows: Tensor, others: Tensor, itself: bool = False) -> Tensor:
    """The mean kernel of each row with all others; `itself`: both are one set, and a row is not compared with itself."""
    d = rows.shape[1]
    sums = torch.cat([((part @ others.T) / d + 1).pow(3).sum(1) for part in torch.split(rows, ROWS)])
    if not itself:
        return sums / len(others)
    return (sums - (rows.square().sum(1) / d + 1).pow(3)) / (len(others) - 1)

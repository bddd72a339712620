"""Outlier scores of a density model, and how well a score separates two sets.

A likelihood alone ranks images by how predictable they are, so simple images of other things look likely (Nalisnick et
al. 2019, arXiv:1810.09136). The other scores correct for that.
"""

from __future__ import annotations

import io
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.engine.data_spec import DataSpec, ImageSpec
from sparring.engine.image_io import to_image
from sparring.stats.intervals import Z


@singledispatch
def compressed_bits(spec: DataSpec, rows: NDArray[Any]) -> Tensor | None:
    """Return the bits of each stored row `[N, ...]` by a general compressor, float64 `[N]`, or None without one."""
    return None


@compressed_bits.register
def _(spec: ImageSpec, rows: NDArray[Any]) -> Tensor:
    return png_bits(rows)


def png_bits(rows: NDArray[np.uint8]) -> Tensor:
    """Return the bits of each image `[N, H, W, C]` as PNG, float64 `[N]`, without the bits of a black image."""
    empty = _png_bytes(np.zeros_like(rows[0]))
    return torch.tensor([max(_png_bytes(row) - empty, 0) * 8.0 for row in rows], dtype=torch.float64)


def _png_bytes(row: NDArray[np.uint8]) -> int:
    content = io.BytesIO()
    to_image(row).save(content, "PNG", optimize=True)
    return len(content.getvalue())


def batch_means(scores: Tensor, size: int) -> Tensor:
    """Return the means of successive batches of `size` scores `[N]`, in an order at random but fixed; `[N // size]`."""
    order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(0))
    return scores[order][: len(scores) // size * size].reshape(-1, size).mean(1)


def auroc(inliers: Tensor, outliers: Tensor) -> tuple[float, float, float]:
    """Return the area under the ROC curve of scores that are higher for outliers, with its 95 % interval.

    It is the probability that an outlier has the higher score, ties counted half. The interval is that of DeLong et al.
    1988: the variance of the mean placement of each set.
    """
    ordered_in, ordered_out = inliers.double().sort().values, outliers.double().sort().values

    def placements(values: Tensor, others: Tensor) -> Tensor:
        below = torch.searchsorted(others, values, right=False)
        up_to = torch.searchsorted(others, values, right=True)
        return (below + up_to).double() / 2 / len(others)

    of_outliers = placements(ordered_out, ordered_in)
    of_inliers = placements(ordered_in, ordered_out)
    area = float(of_outliers.mean())
    variance = _variance(of_outliers) / len(of_outliers) + _variance(of_inliers) / len(of_inliers)
    half = Z * variance**0.5
    return area, max(area - half, 0.0), min(area + half, 1.0)


def _variance(values: Tensor) -> float:
    return float(values.var(correction=1)) if len(values) > 1 else 0.25

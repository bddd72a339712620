"""Outlier scores of a density model.

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

"""Draw rows of any kind of data as a grid of pictures, for the frames of a training and for samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec, PairSpec, SeriesSpec
from sparring.engine.image_io import beside, grid, with_header
from sparring.nets.mel_codec import to_pictures
from sparring.report.series_grid import series_grid

MAX_CLASS_COLUMNS = 16
"""Largest number of classes that get a column each."""


@singledispatch
def picture(spec: DataSpec, rows: NDArray[Any], columns: int, names: Sequence[str] = ()) -> Image.Image | None:
    """Return a grid of stored rows `[N, ...]`, with `names` above its columns; None of data without one."""
    return None


@picture.register
def _(spec: ImageSpec, rows: NDArray[Any], columns: int, names: Sequence[str] = ()) -> Image.Image:
    return with_header(grid(rows, columns), names) if names else grid(rows, columns)


@picture.register
def _(spec: SeriesSpec, rows: NDArray[Any], columns: int, names: Sequence[str] = ()) -> Image.Image:
    return with_header(series_grid(rows, columns), names) if names else series_grid(rows, columns)


@picture.register
def _(spec: AudioSpec, rows: NDArray[Any], columns: int, names: Sequence[str] = ()) -> Image.Image:
    """Return log-mel spectrograms, low frequencies at the bottom."""
    pixels = np.ascontiguousarray(to_pictures(spec, rows)[:, ::-1])
    return with_header(grid(pixels, columns), names) if names else grid(pixels, columns)


@picture.register
def _(spec: PairSpec, rows: NDArray[Any], columns: int, names: Sequence[str] = ()) -> Image.Image | None:
    """Return the grids of both halves side by side."""
    grids = [picture(half, part, columns, names) for half, part in spec.by_half(rows)]
    shown = [each for each in grids if each is not None]
    return beside(shown) if shown else None


def picture_by_class(
    spec: DataSpec, rows: NDArray[Any], labels: NDArray[np.int64], names: Sequence[str]
) -> Image.Image | None:  # fmt: skip
    """Return a grid with a column for each class of `names`, its rows in their order; shorter columns end empty."""
    columns = [rows[labels == k] for k in range(len(names))]
    empty = np.nan if rows.dtype.kind == "f" else 0
    table = np.full((max(map(len, columns)), len(names), *rows.shape[1:]), empty, rows.dtype)
    for k, column in enumerate(columns):
        table[: len(column), k] = column
    return picture(spec, table.reshape(-1, *rows.shape[1:]), len(names), names)

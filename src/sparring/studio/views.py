"""What a page shows of stored rows, as JSON: pixels, sounds, lines, cells. `static/views.js` makes elements of it."""

from __future__ import annotations

from base64 import b64encode
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.sound_io import wav
from sparring.report.render import texts_of_row

PEAKS = 200
"""Columns of the picture of a waveform."""
MAX_POINTS = 400
"""Largest number of points of a line; longer series are thinned out evenly."""
MAX_CHANNELS = 5
"""Largest number of channels of a series that are shown."""
MAX_CELLS = 30
"""Largest number of columns of a table that are shown."""

View = dict[str, Any]


@singledispatch
def views(spec: DataSpec, rows: NDArray[Any]) -> list[View]:
    """Return what a page shows of each of the stored `rows` `[N, ...]`: an object with its `kind` and fields."""
    raise TypeError(f"no way to show data of kind {spec.kind}")


@views.register
def _(spec: ImageSpec, rows: NDArray[Any]) -> list[View]:
    """Return width, height and the bytes of the pixels, three a pixel."""
    return [
        {"kind": "image", "width": row.shape[1], "height": row.shape[0], "pixels": _text(row.tobytes())}
        for row in rgb(rows)
    ]


@views.register
def _(spec: AudioSpec, rows: NDArray[Any]) -> list[View]:
    """Return a wav file, and the lowest and highest sample of successive parts, from -1 to 1."""
    return [
        {
            "kind": "sound", "wav": _text(wav(row, spec.rate)), "seconds": round(len(row) / spec.rate, 3),
            "peaks": [[round(int(end) / 32768, 4) for end in (part.min(), part.max())] for part in _parts(row)],
        }
        for row in rows
    ]  # fmt: skip


@views.register
def _(spec: SeriesSpec, rows: NDArray[Any]) -> list[View]:
    """Return a line for each channel: its name, and points of step and value."""
    steps = np.unique(np.linspace(0, rows.shape[2] - 1, min(rows.shape[2], MAX_POINTS)).astype(int))
    names = spec.channels[:MAX_CHANNELS]
    return [
        {
            "kind": "series",
            "lines": [
                {"name": name, "points": [[int(t), _number(row[c, t])] for t in steps]}
                for c, name in enumerate(names)
            ],
        }
        for row in rows
    ]  # fmt: skip


@views.register
def _(spec: TableSpec, rows: NDArray[Any]) -> list[View]:
    """Return the names of the columns, and the cells as the file has them."""
    names = [column.name for column in spec.columns][:MAX_CELLS]
    return [{"kind": "table", "columns": names, "cells": texts_of_row(spec, row)[:MAX_CELLS]} for row in rows]


@singledispatch
def has_pixels(spec: DataSpec) -> bool:
    """Return whether examples are pictures: sent as bytes of colours, painted over, compared pixel by pixel."""
    return False


@has_pixels.register
def _(spec: ImageSpec) -> bool:
    return True


def rgb(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return stored images `[N, H, W, C]` as colours `[N, H, W, 3]`: grey ones repeated, further channels left out."""
    shown = rows[..., :3] if rows.shape[3] >= 3 else np.repeat(rows[..., :1], 3, 3)
    return np.ascontiguousarray(shown)


def _parts(samples: NDArray[Any]) -> list[NDArray[Any]]:
    """Return PEAKS parts of a recording of about equal length; each sample alone where there are fewer."""
    return np.array_split(samples, min(PEAKS, len(samples)))


def _number(value: Any) -> float | None:
    """Return a number as JSON takes it; None for one that is not finite."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _text(content: bytes) -> str:
    return b64encode(content).decode("ascii")

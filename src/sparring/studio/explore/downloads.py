"""Files of what the Explore page shows: a grid of pictures, a film of a walk, an array, a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from sparring.commands.sampling.formats import csv_of, formats_of, npz_of
from sparring.engine.errors import UsageError
from sparring.engine.image_io import grid, png, webp
from sparring.report.pictures import picture

FRAME_MS = 50
"""Duration of a frame of a film, in milliseconds."""
TYPES = {".png": "image/png", ".webp": "image/webp", ".npz": "application/octet-stream", ".csv": "text/csv"}


def formats(spec: Any) -> list[str]:
    """Return the suffixes of files of samples: those of `sparring sample`, and WebP beside PNG."""
    suffixes = [suffix for suffix in formats_of(spec) if suffix]
    return [suffixes[0], ".webp", *suffixes[1:]] if suffixes[0] == ".png" else suffixes


def download_of(
    spec: Any, rows: NDArray[Any], words: Sequence[str], suffix: str, about: str, *, film: bool = False
) -> tuple[bytes, str]:
    """Return content and type of a file of stored rows `[N, ...]`, of the classes `words`.

    With `film` a WebP has a frame for each. Raises UsageError on a format that does not hold this kind.
    """
    if suffix not in formats(spec):
        raise UsageError(f"samples of {spec.plural} are written as {', '.join(formats(spec))}: choose one of these")
    if suffix == ".csv":
        return csv_of(spec, rows, words).encode(), TYPES[suffix]
    if suffix == ".png":
        shown = picture(spec, rows, math.ceil(len(rows) ** 0.5))
        assert shown is not None  # `formats` offers no picture of kinds without one
        return png(shown, about), TYPES[suffix]
    if suffix == ".webp":
        frames = [grid(row[None]) for row in rows] if film else [grid(rows)]
        return webp(frames, about, FRAME_MS), TYPES[suffix]
    return npz_of(rows), TYPES[suffix]

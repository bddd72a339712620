"""Draw series as a grid of small line plots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PANEL = (120, 60)
"""Width and height of a plot in pixels."""
MARGIN = 4
COLOURS = ("#1f6fb2", "#d1662f", "#3a8a4d", "#8a4fa3", "#7a6a2f")
"""Colours of the first channels; further ones are not drawn."""


def series_grid(rows: NDArray[Any], columns: int) -> Image.Image:
    """Return plots of series `[N, C, T]`, each channel from its smallest to its largest value. NaN alone: empty."""
    width, height = PANEL
    lines = -(-len(rows) // columns)
    image = Image.new("RGB", (columns * width, lines * height), "white")
    draw = ImageDraw.Draw(image)
    for k, row in enumerate(rows):
        if np.isnan(row).all():
            continue
        left, top = k % columns * width, k // columns * height
        draw.rectangle((left, top, left + width - 1, top + height - 1), outline="#e4e4e4")
        for values, colour in zip(row, COLOURS, strict=False):
            draw.line(_points(values, left, top), fill=colour)
    return image


def _points(values: NDArray[Any], left: int, top: int) -> list[tuple[float, float]]:
    """Return the corners of a line within the panel whose corner is (left, top)."""
    finite = np.nan_to_num(values.astype(np.float64))
    low, high = finite.min(), finite.max()
    y = (finite - low) / (high - low or 1)
    x = np.linspace(left + MARGIN, left + PANEL[0] - MARGIN, max(len(values), 2))[: len(values)]
    bottom, usable = top + PANEL[1] - MARGIN, PANEL[1] - 2 * MARGIN
    return [(float(a), float(bottom - b * usable)) for a, b in zip(x, y, strict=True)]

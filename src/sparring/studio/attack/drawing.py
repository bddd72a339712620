"""Turn a drawing of the page into an example: sized, centred and coloured as the images of the data are.

MNIST's digits fill a box of 20 of 28 pixels and are centred by their mass, white on black (LeCun et al. 1998). Other
data have other habits, so these are measured on images of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparring.engine.data_spec import DataSpec, ImageSpec
from sparring.engine.errors import UsageError

MAX_SIDE = 1024
"""Largest side of a drawing in pixels."""
INK = 0.25
"""Fraction of the darkest ink from which a pixel counts as drawn on."""
BRIGHTEST = 0.98
"""Quantile of the pixels that gives the level of full ink."""

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Framing:
    """How images of a data set lie in their frame."""

    fill: float = 20 / 28
    """Longest side of what is drawn, as a fraction of the frame's shorter side."""
    paper: tuple[float, ...] = (0.0,)
    """Level of the background in each channel, from 0 to 255."""
    ink: tuple[float, ...] = (255.0,)
    """Level of full ink in each channel."""

    @classmethod
    def measure(cls, images: NDArray[np.uint8]) -> Framing:
        """Measure images `[N, H, W, C]`: the background is the median of the border, ink is what differs from it."""
        border = np.concatenate(
            [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1
        )  # [N, 2 (H + W), C]
        paper = np.median(border, axis=(0, 1))
        low, high = (np.quantile(images, level, axis=(0, 1, 2)) for level in (1 - BRIGHTEST, BRIGHTEST))
        dark = np.abs(low - paper).sum() > np.abs(high - paper).sum()
        strength = np.abs(images - paper).mean(3)
        longest = [max(_extent(one)) for one in strength if one.max() > 0]
        fill = float(np.median(longest)) / min(images.shape[1:3]) if longest else cls.fill
        ink = low if dark else high
        return cls(min(fill, 1.0), tuple(paper.tolist()), tuple(ink.tolist()))


@singledispatch
def row_of_drawing(spec: DataSpec, drawing: Grey, framing: Framing) -> NDArray[Any]:
    """Return a drawing as a stored row of the data; raise UsageError for kinds of data that cannot be drawn."""
    raise UsageError(f"the run was trained on {spec.plural}, which cannot be drawn: take an example or a file")


@row_of_drawing.register
def _(spec: ImageSpec, drawing: Grey, framing: Framing) -> NDArray[np.uint8]:
    """Take ink `[H, W]` from 0 to 1 of any size; return pixels `[height, width, channels]`."""
    placed = centred(drawing, spec.height, spec.width, framing.fill)[..., None]
    paper, ink = (np.resize(np.array(level), spec.channels) for level in (framing.paper, framing.ink))
    pixels: NDArray[np.uint8] = (paper + placed * (ink - paper)).round().clip(0, 255).astype(np.uint8)
    return pixels


def centred(drawing: Grey, height: int, width: int, fill: float) -> Grey:
    """Return ink `[height, width]` from 0 to 1: the drawing scaled without aliasing, its mass in the centre."""
    rows, columns = (np.flatnonzero((drawing > INK * drawing.max()).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise UsageError("nothing is drawn yet: draw with the mouse, a pen or a finger")
    cut = drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = fill * min(height, width) / max(cut.shape)
    size = [max(1, min(round(side * scale), limit)) for side, limit in zip(cut.shape, (height, width), strict=True)]
    small = np.asarray(Image.fromarray(cut).resize((size[1], size[0]), Image.Resampling.BOX), np.float32)
    mass = small.sum()
    frame = np.zeros((height, width), np.float32)
    starts = []
    for axis, limit in enumerate((height, width)):
        places = np.arange(size[axis]) + 0.5
        centre = float((small.sum(1 - axis) * places).sum() / mass)
        starts.append(int(np.clip(round(limit / 2 - centre), 0, limit - size[axis])))
    frame[starts[0] : starts[0] + size[0], starts[1] : starts[1] + size[1]] = small / small.max()
    return frame


def ink_of(content: bytes, width: int, height: int) -> Grey:
    """Return ink `[H, W]` from 0 to 1 of one byte a pixel; raise UsageError where size and content disagree."""
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise UsageError(f"the drawing is {width}x{height}: draw on at most {MAX_SIDE}x{MAX_SIDE} pixels")
    if len(content) != width * height:
        raise UsageError(f"the drawing has {len(content):,} bytes for {width}x{height} pixels: draw it again")
    ink: Grey = np.frombuffer(content, np.uint8).reshape(height, width).astype(np.float32)
    return ink / np.float32(255)


def _extent(strength: NDArray[Any]) -> tuple[int, int]:
    """Return height and width of what is drawn in `[H, W]`."""
    inked = strength > INK * strength.max()
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)

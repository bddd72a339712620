"""Read one picture file and its mask, and write what was restored beside it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sparring.data.images.decode import Unusable, decode, header, pages_of
from sparring.data.images.high_bit_depth import is_wide, wide_values, without_alpha
from sparring.data.reader_api import Shape
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.image_io import to_image

MIN_SIDE_PIXELS = 16
"""Smallest width and height of a picture: a smaller one holds too little to fit a network to."""
MASK_THRESHOLD = 128
"""Grey level from which a pixel of a mask counts as known."""


@dataclass(frozen=True)
class SourcePicture:
    """A picture that is to be restored."""

    path: Path
    pixels: Tensor
    """Colours or grey, float32 `[1, C, H, W]` in [0, 1]."""
    alpha: NDArray[np.uint8] | None
    """Alpha channel `[H, W]`, which is kept as it is."""
    digest: str
    """Hash of the file."""
    notes: list[str] = field(default_factory=list)
    """Remarks on how it was read."""
    quantization: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Tables of a JPEG file by number, of 64 divisors each."""

    def to_image(self, pixels: Tensor) -> Image.Image:
        """Return restored pixels `[1, C, H, W]` as 8-bit image with the alpha channel, enlarged where they are."""
        values = (pixels[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        if self.alpha is not None:
            alpha = Image.fromarray(self.alpha)
            size = values.shape[1], values.shape[0]
            alpha = alpha if alpha.size == size else alpha.resize(size, Image.Resampling.BICUBIC)
            values = np.dstack([values, np.asarray(alpha)])
        if values.shape[2] == 2:
            return Image.merge("LA", [Image.fromarray(np.ascontiguousarray(values[..., k])) for k in range(2)])
        return to_image(values)


def picture_shape(path: Path) -> Shape:
    """Return the size and mode of a picture file from its header; raise the errors of `read_picture`."""
    content = _content(path)
    try:
        shape = header(content)
        pages = pages_of(content)
    except Unusable as error:
        raise SparringError(f"{path} {error}") from None
    except Exception as error:  # a damaged file can raise anything in a parser
        raise SparringError(f"{path} cannot be read: {error}") from error
    if pages > 1:
        raise UsageError(f"{path} holds {pages} pictures, an animation or pages: save the one to restore as a PNG")
    return shape


def read_picture(path: Path) -> SourcePicture:
    """Read a picture: upright, palettes as colours, alpha apart, up to 16 bits in each channel.

    Raises UsageError where there is no such file, or it is too small or holds several pictures; SparringError where it
    cannot be read.
    """
    shape = picture_shape(path)
    if min(shape.height, shape.width) < MIN_SIDE_PIXELS:
        raise UsageError(
            f"{path} is {shape.width}x{shape.height}: restoring needs {MIN_SIDE_PIXELS} pixels or more on each side"
        )
    content, notes = _content(path), []
    colours, alpha, wide = _decoded(path, content, shape)
    if wide:
        notes.append(f"{path.name} has 16 bits in each channel: it is read as such, and the restored picture has 8")
    pixels = torch.from_numpy(colours).permute(2, 0, 1)[None].contiguous()
    if bool((pixels == pixels[:, :, :1, :1]).all()):
        notes.append(f"{path.name} is of one colour: there is nothing in it to learn from")
    return SourcePicture(path, pixels, alpha, _digest(content), notes, _tables(content))


def read_mask(path: Path, picture: str | Path, size: tuple[int, int]) -> tuple[NDArray[np.bool_], list[str]]:
    """Return the known pixels `[H, W]` of a mask, True where it is white, and notes.

    Raises UsageError where it is not of the `size`, height and width, of the `picture`, or leaves nothing known or
    nothing to fill.
    """
    shape = picture_shape(path)
    height, width = size
    if (shape.height, shape.width) != (height, width):
        raise UsageError(
            f"the mask {path} is {shape.width}x{shape.height}, the picture {picture} is {width}x{height}: "
            "give a mask of the picture's size"
        )
    colours, _, _ = _decoded(path, _content(path), shape)
    grey = np.rint(colours.mean(2) * 255)
    known = grey >= MASK_THRESHOLD
    notes = []
    if (levels := len(np.unique(grey))) > 2:
        notes.append(f"the mask has {levels} grey levels: pixels of {MASK_THRESHOLD} or more count as known")
    if not known.any():
        raise UsageError(f"the mask {path} leaves nothing known: white is kept, black is filled. Invert it?")
    if known.all():
        raise UsageError(f"the mask {path} leaves nothing to fill: white is kept, black is filled. Invert it?")
    if known.mean() < 0.5:
        notes.append(
            f"the mask fills {1 - known.mean():.0%} of the picture: white is kept, black is filled. Was it meant so?"
        )
    return known, notes


def digest_of(path: Path) -> str:
    """Return the hash of a file; raise the errors of `read_picture`."""
    return _digest(_content(path))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no '{path}': give the path of a picture file") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder: give one picture file") from None
    except (OSError, ValueError) as error:
        raise SparringError(f"{path} cannot be read: {error}") from error


def _decoded(path: Path, content: bytes, shape: Shape) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None, bool]:
    """Return float32 colours `[H, W, C]` in [0, 1], the alpha channel where there is one, and whether 16 bits were."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if is_wide(image):
                values, alpha = without_alpha(wide_values(image, lambda: Image.open(io.BytesIO(content))), shape.mode)
                return _from_wide(path, values, alpha)
        data, _ = decode(content, shape)
    except SparringError:
        raise
    except Exception as error:  # a damaged file can raise anything in a decoder
        raise SparringError(
            f"{path} cannot be decoded: {error}. Save it again from the program that shows it"
        ) from error
    pixels = np.frombuffer(data, np.uint8).reshape(shape.height, shape.width, -1)
    has_alpha = shape.mode.endswith("A")
    colours = (pixels[..., :-1] if has_alpha else pixels).astype(np.float32) / np.float32(255)
    return colours, pixels[..., -1].copy() if has_alpha else None, False


def _from_wide(
    path: Path, values: NDArray[Any], alpha: NDArray[np.uint16] | None
) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None, bool]:
    if values.dtype.kind == "f" or values.min(initial=0) < 0 or values.max(initial=0) > 65535:
        raise SparringError(f"{path} holds numbers that are no 16-bit levels: save it as a PNG of 8 or 16 bits")
    colours = values.astype(np.float32) / np.float32(65535)
    colours = colours[..., None] if colours.ndim == 2 else colours
    return colours, None if alpha is None else (alpha >> 8).astype(np.uint8), True


def _tables(content: bytes) -> dict[int, list[int]]:
    """Return the quantization tables of a JPEG file; none of others."""
    with Image.open(io.BytesIO(content)) as image:
        tables = getattr(image, "quantization", None)
        return {number: list(table) for number, table in tables.items()} if tables else {}

"""Pictures of more than 8 bits in each channel, as numbers: Pillow itself keeps only the high bytes of colours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:  # a decoding process starts sooner without NumPy
    import numpy as np
    from numpy.typing import NDArray

OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
"""Order of bytes in Pillow's raw mode -> that by which it takes the low bytes in place of the high ones."""


def is_wide(image: Image.Image) -> bool:
    """Return True for an opened image, not yet loaded, of more than 8 bits in each channel."""
    return image.mode.startswith("I") or image.mode == "F" or ";16" in raw_mode(image)


def raw_mode(image: Image.Image) -> str:
    """Return how Pillow will unpack a PNG or TIFF that is not yet loaded; nothing where it does not tell."""
    tiles = getattr(image, "tile", None)
    return _raw(tiles[0].args) if tiles and image.format in ("PNG", "TIFF") else ""


def wide_values(image: Image.Image, open_again: Callable[[], Image.Image]) -> NDArray[Any]:
    """Return the numbers `[H, W]`, or `[H, W, C]` of colours, of a wide picture that is opened and not yet loaded.

    Of colours Pillow unpacks the high bytes alone; opened again, with the other order of bytes, the low ones.
    """
    import numpy as np

    if image.mode.startswith("I") or image.mode == "F":
        return np.asarray(image)
    if raw_mode(image).startswith("LA"):  # which Pillow opens as RGBA: as four bytes it holds all
        _unpack_as(image, lambda raw: "RGBA")
        pairs = np.asarray(image).astype(np.uint16)
        grey_alpha: NDArray[np.uint16] = (pairs[..., ::2] << 8 | pairs[..., 1::2]).astype(np.uint16)
        return grey_alpha
    with open_again() as low_bytes:
        _unpack_as(low_bytes, lambda raw: raw[:-1] + OTHER_BYTE.get(raw[-1:], ""))
        low = np.asarray(low_bytes)
    colours: NDArray[np.uint16] = (np.asarray(image).astype(np.uint16) << 8 | low).astype(np.uint16)
    return colours


def without_alpha(values: NDArray[Any], mode: str) -> tuple[NDArray[Any], NDArray[np.uint16] | None]:
    """Return the colours, and the alpha channel of 16 bits `[H, W]`; None where `mode` has none."""
    if values.ndim == 2 or not mode.endswith("A"):
        return values, None
    return values[..., :-1], values[..., -1]


def to_picture(colours: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> Image.Image:
    """Return a picture of bytes `[H, W]` or `[H, W, C]` with this alpha channel `[H, W]`."""
    import numpy as np

    pixels = colours if alpha is None else np.dstack([colours, alpha])
    return Image.fromarray(np.ascontiguousarray(pixels))


def _raw(args: Any) -> str:
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _unpack_as(image: Image.Image, other: Callable[[str], str]) -> None:
    def changed(args: Any) -> Any:
        raw = other(_raw(args))
        return (raw, *args[1:]) if isinstance(args, tuple) else raw

    tiles: Any = getattr(image, "tile", [])
    image.tile = [tile._replace(args=changed(tile.args)) for tile in tiles]  # type: ignore[attr-defined]

"""`sparring pack`: compress images without loss, by the distributions of a trained density model."""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.commands.predict import open_like
from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import Dataset
from sparring.engine.atomic_io import write
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.image_io import to_image
from sparring.models.capabilities import Density
from sparring.models.density import DensityModel
from sparring.models.load import load_capable
from sparring.models.packing import PackedFile, fingerprint_of, pack_rows, unpack_rows

SUFFIX = ".sparring"


@dataclass(frozen=True)
class Packing:
    """Sizes of packed images, beside those of other lossless formats."""

    path: Path
    """Packed file."""
    images: int
    bytes: int
    """Size of the file."""
    code_bytes: int
    """Size of the code alone: without names, header and check bytes."""
    stated_bytes: float
    """-log2 P of the images by the model, in bytes."""
    png_bytes: int
    """Sum of the sizes of the images as PNG, optimised."""
    webp_bytes: int
    """Sum of the sizes of the images as lossless WebP."""
    stored_bytes: int
    """Size of the pixels without compression."""
    skipped: dict[str, list[str]]
    """Reason -> names of files that are not in the packed file."""


def pack(
    source: str | Path, run: str | Path, *, out: str | Path | None = None, progress: Progress | None = None
) -> Packing:
    """Pack the images of `source` with the density model of `run` into one file, and unpack them again as a check.

    Without `out` the file is `<source>.sparring` in the current folder. `sparring unpack` needs the same model and the
    same kind of machine. Raises UsageError where the model cannot code these images, or the file exists.
    """
    progress = progress or Progress()
    if not run:
        raise UsageError("--with RUN is needed: the run of a density model")
    model = load_capable(run, Density)
    if not isinstance(model, DensityModel) or not isinstance(model.spec, ImageSpec):
        raise UsageError(f"{run} is a model of {model.spec.plural}: images alone can be packed")
    data = open_like(model, source)
    if not len(data):
        raise SparringError(f"{source} holds no images that can be read: nothing to pack")
    out = Path(out) if out is not None else Path(f"{Path(str(source).rstrip('/')).name}{SUFFIX}")
    if out.exists():
        raise UsageError(f"{out} exists: choose another --out, or remove it")
    rows = data[np.arange(len(data))]
    names = list(data.names) if Path(source).is_dir() else None
    packed = pack_rows(model, rows, fingerprint_of(run), names, progress.callback("packing", "images"))
    again = unpack_rows(model, packed, str(out), progress.callback("checking", "images"))
    if not np.array_equal(again, rows):
        raise SparringError(f"{out}: the images did not come back; nothing was written. Please report this")
    content = packed.to_bytes()
    write(out, content)
    return _sizes(model, data, rows, packed, out, len(content))


def _sizes(
    model: DensityModel, data: Dataset, rows: NDArray[np.uint8], packed: PackedFile, out: Path, size: int
) -> Packing:
    stated = -float(model.log_density(model.spec.encode(rows)).sum()) / log(2) / 8
    png, webp = (sum(_encoded_size(row, **how) for row in rows) for how in FORMATS)
    code = sum(map(len, packed.blocks))
    return Packing(out, len(rows), size, code, round(stated, 1), png, webp, rows.nbytes, data.skipped)


FORMATS: tuple[dict[str, Any], ...] = (
    {"format": "PNG", "optimize": True},
    {"format": "WEBP", "lossless": True, "quality": 100, "method": 6},
)


def _encoded_size(row: NDArray[np.uint8], **how: Any) -> int:
    """Return the size of an image in a lossless format; of two values in PNG, with one bit a pixel."""
    image = to_image(row)
    if how["format"] == "PNG" and image.mode == "L" and bool(np.isin(row, (0, 255)).all()):
        image = image.convert("1")
    content = io.BytesIO()
    image.save(content, **how)
    return len(content.getvalue())


def to_text(result: Packing) -> str:
    """Return the lines that the command prints."""
    lines = [
        f"packed   {result.images:,} images into {result.path}: {result.bytes:,} bytes, checked by unpacking",
        f"code     {result.code_bytes:,} bytes; the model states {result.stated_bytes:,.0f} "
        f"({result.code_bytes / max(result.stated_bytes, 1e-9):.4f} times)",
        f"beside   PNG {result.png_bytes:,}, WebP lossless {result.webp_bytes:,}, pixels {result.stored_bytes:,} bytes",
    ]
    lines += [f"skipped  {name}: {reason}" for reason, names in result.skipped.items() for name in names]
    return "\n".join(lines)

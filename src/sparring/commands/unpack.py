"""`sparring unpack`: restore the images of a packed file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparring.commands.pack import SUFFIX
from sparring.commands.reporting.progress import Progress
from sparring.commands.sampling.folder import write_new
from sparring.engine.atomic_io import explain_os_errors, write
from sparring.engine.errors import UsageError
from sparring.engine.image_io import png, to_image
from sparring.models.capabilities import Density
from sparring.models.density import DensityModel
from sparring.models.load import load_capable
from sparring.models.packing import PackedFile, fingerprint_of, unpack_rows


@dataclass(frozen=True)
class Unpacking:
    """Where unpacked images are."""

    path: Path
    """A folder of PNG files with the names of the packed files, or a .npz file with the array `arr_0`."""
    images: int


def unpack(
    file: str | Path, run: str | Path, *, out: str | Path | None = None, progress: Progress | None = None
) -> Unpacking:
    """Unpack a file of `sparring pack` with the model of `run` that packed it.

    Images that had file names become PNG files in the folder `out`, others an array in `out`.npz. Raises UsageError
    where the model is another one, SparringError where the file is damaged or the images are not what was packed.
    """
    progress = progress or Progress()
    if not run:
        raise UsageError("--with RUN is needed: the run whose model packed the file")
    path = Path(file)
    with explain_os_errors(path):
        if not path.is_file():
            raise UsageError(f"there is no file '{file}': give a file that `sparring pack` wrote")
        packed = PackedFile.from_bytes(path.read_bytes(), str(file))
    model = load_capable(run, Density)
    if not isinstance(model, DensityModel) or fingerprint_of(run) != packed.header["model"]:
        raise UsageError(f"{file} was packed with another model than that of {run}: give --with the run that packed it")
    names = packed.header["names"]
    stem = path.name.removesuffix(SUFFIX)
    target = Path(out) if out is not None else Path(f"{stem}-unpacked" + ("" if names else ".npz"))
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise UsageError(f"{target} exists: choose another --out, or remove it")
    rows = unpack_rows(model, packed, str(file), progress.callback("unpacking", "images"))
    if names:
        for name, row in zip(names, rows, strict=True):
            write_new(_inside(target, name), png(to_image(row), "unpacked"))
    else:
        content = io.BytesIO()
        np.savez(content, arr_0=rows)
        write(target, content.getvalue())
    return Unpacking(target, len(rows))


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a packed file in `folder`, as a PNG; raise UsageError where its name leads out of it."""
    path = folder / (name if name.lower().endswith(".png") else f"{name}.png")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"the packed name '{name}' leads out of the folder: the file was altered")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def to_text(result: Unpacking) -> str:
    """Return the line that the command prints."""
    return f"unpacked {result.images:,} images: {result.path}"

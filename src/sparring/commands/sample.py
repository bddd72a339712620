"""`sparring sample`: pictures out of a trained run."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from sparring.commands.training.callbacks import MAX_CLASS_COLUMNS
from sparring.engine.atomic_io import explain_os_errors, write
from sparring.engine.errors import UsageError
from sparring.engine.image_io import grid, png, to_image, with_header
from sparring.engine.seeds import check_seed
from sparring.models.capabilities import Sampler
from sparring.models.load import load_capable

MOST_IN_GRID = 4096


def sample(
    run: str | Path,
    n: int = 64,
    *,
    out: str | Path | None = None,
    seed: int = 0,
    label: str | int | None = None,
    checkpoint: str | int | None = None,
    truncation: float | None = None,
    generator: nn.Module | None = None,
) -> Path:
    """Write `n` samples of `run`: a grid (`*.png`), an array (`*.npz`, `arr_0` uint8 NHWC), or a folder of PNGs.

    Sample k depends on (`seed`, k) alone. `label` asks for one class by name; `checkpoint` ("best", "last" or its
    image) for the weights of then. `truncation` T cuts the noise off at -T and T, where the recipe was made for it
    (BigGAN): 2 keeps almost all variety, 0.5 gives more typical and fewer kinds of pictures. Returns the path written;
    without `out` that is `samples-<seed>.png` in the run's folder, with `-label-<class>`, `-<checkpoint>` and
    `-truncation-<T>` where given. No other samples are overwritten: `-2`, `-3` and so on are added to the name.
    """
    if n < 1:
        raise UsageError(f"-n must be 1 or more, not {n}")
    check_seed(seed)
    model = load_capable(run, Sampler, net=generator, checkpoint=checkpoint, truncation=truncation)
    run = Path(run) if Path(run).is_dir() else Path(run).parent
    parts = {"label": label, "checkpoint": checkpoint, "truncation": truncation and f"{truncation:g}"}
    given = {name: value for name, value in parts.items() if value is not None}
    default = "-".join(["samples", str(seed), *map(_name_part, given.items())])
    out = Path(out) if out is not None else run / f"{default}.png"
    selected = model.label(label) if label is not None else None
    about = ", ".join([f"run {run.resolve().name}, seed {seed}", *(f"{name} {value}" for name, value in given.items())])
    suffix = out.suffix.lower()
    if suffix not in (".png", ".npz", ""):
        raise UsageError(
            f"--out {out}: samples are written as .png (a grid), .npz (an array) or a folder without a suffix"
        )
    if suffix == ".png" and n > MOST_IN_GRID:
        raise UsageError(f"a grid holds up to {MOST_IN_GRID} samples, not {n}: give --out a folder or a .npz")
    if not suffix:
        return _write_folder(model.samples(n, seed, selected), out, about)
    pixels = np.concatenate(list(model.samples(n, seed, selected)))
    return write_new(out, _npz(pixels) if suffix == ".npz" else png(_grid(model, pixels, seed, label), about))


def write_new(path: Path, content: bytes) -> Path:
    """Write `content` to `path`, or where that exists with other content to the next free name; return the path.

    The names are NAME.png, NAME-2.png, NAME-3.png, and so on.
    """
    for k in itertools.count(1):
        free = path if k == 1 else path.with_name(f"{path.stem}-{k}{path.suffix}")
        if not free.exists():
            write(free, content)
            return free
        with explain_os_errors(free):
            if free.is_file() and free.read_bytes() == content:
                return free
    raise AssertionError("unreachable")


def _name_part(setting: tuple[str, object]) -> str:
    """Return what a setting adds to the name of a file: `label-7`; a checkpoint only its value."""
    name, value = setting
    text = re.sub(r"[^\w.,+-]+", "_", str(value))
    return text if name == "checkpoint" else f"{name}-{text}"


def _write_folder(samples: Iterator[NDArray[Any]], out: Path, about: str) -> Path:
    """Write each sample as a PNG; raises UsageError where the folder holds files that are not Sparring's."""
    with explain_os_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        if stranger := next((p for p in sorted(out.iterdir()) if not _is_ours(p)), None):
            raise UsageError(f"{out} holds other files ({stranger.name}): choose another --out, nothing was written")
    for k, pixels in enumerate(itertools.chain.from_iterable(samples)):
        write_new(out / f"{k:06d}.png", png(to_image(pixels), f"{about}, sample {k}"))
    return out


def _npz(pixels: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.savez(content, arr_0=pixels)
    return content.getvalue()


def _grid(model: Any, pixels: NDArray[Any], seed: int, label: str | int | None) -> Image.Image:
    """Return a grid of samples; where they are of several classes, one column for each, in the order of the samples."""
    classes = model.label_names if model.conditional and not model.vectors else ()
    if label is not None or not 1 < len(classes) <= MAX_CLASS_COLUMNS:
        return grid(pixels)
    y = model.draw_inputs(range(len(pixels)), seed)[1].numpy()
    columns = [pixels[y == k] for k in range(len(classes))]
    table = np.zeros((max(map(len, columns)), len(classes), *pixels.shape[1:]), np.uint8)
    for k, column in enumerate(columns):
        table[: len(column), k] = column
    return with_header(grid(table.reshape(-1, *pixels.shape[1:]), len(classes)), classes)


def to_text(path: Path) -> str:
    """Return the line that the command prints."""
    return f"samples: {path}"


def _is_ours(path: Path) -> bool:
    """Return True for a PNG that Sparring wrote: it may be written over."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.info.get("Software") == "sparring"
    except OSError:  # what is no PNG among them
        return False

"""`sparring sample`: pictures out of a trained run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from sparring.engine.atomic_io import atomic_replace, explain_os_errors
from sparring.engine.errors import UsageError
from sparring.engine.image_io import grid, save_png, to_image
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
    without `out` that is `samples-<seed>.png` in the run's folder, with `-<checkpoint>` and `-truncation-<T>` where
    given.
    """
    if n < 1:
        raise UsageError(f"-n must be 1 or more, not {n}")
    check_seed(seed)
    model = load_capable(run, Sampler, net=generator, checkpoint=checkpoint, truncation=truncation)
    run = Path(run) if Path(run).is_dir() else Path(run).parent
    of = "" if checkpoint is None else f"-{checkpoint}"
    of += "" if truncation is None else f"-truncation-{truncation:g}"
    out = Path(out) if out is not None else run / f"samples-{seed}{of}.png"
    selected = model.label(label) if label is not None else None
    about = f"run {run.resolve().name}, seed {seed}" + (f", label {label}" if label is not None else "")
    about += f", checkpoint {checkpoint}" if checkpoint is not None else ""
    about += f", truncation {truncation:g}" if truncation is not None else ""
    suffix = out.suffix.lower()
    if suffix not in (".png", ".npz", ""):
        raise UsageError(
            f"--out {out}: samples are written as .png (a grid), .npz (an array) or a folder without a suffix"
        )
    if suffix == ".png" and n > MOST_IN_GRID:
        raise UsageError(f"a grid holds up to {MOST_IN_GRID} samples, not {n}: give --out a folder or a .npz")
    if suffix in (".png", ".npz"):
        pixels = np.concatenate(list(model.samples(n, seed, selected)))
        if suffix == ".png":
            save_png(grid(pixels), out, about)
        else:
            with atomic_replace(out) as temporary, open(temporary, "wb") as file:
                np.savez(file, arr_0=pixels)
        return out
    with explain_os_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        if stranger := next((p for p in sorted(out.iterdir()) if not _is_ours(p)), None):
            raise UsageError(f"{out} holds other files ({stranger.name}): choose another --out, nothing was written")
    k = 0
    for chunk in model.samples(n, seed, selected):
        for pixels in chunk:
            save_png(to_image(pixels), out / f"{k:06d}.png", f"{about}, sample {k}")
            k += 1
    return out


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

"""Images decoded and cached per second, by Sparring (all cores) and by plain Pillow in one process.

    python benchmarks/ingest.py            # about 3 minutes on 2 cores, idle machine

Two temporary folders: 20,000 CIFAR JPEGs of 32x32, and 6,000 JPEG photos of 256x256 cut from 435 photographs. Sparring
opens the folder with an empty cache: its time includes listing, decoding, digests, duplicates and writing the cache.
Pillow opens, converts and copies each file into one array in memory. Both use the same size and mode.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from record import alternate, data_folder, ratios, save, spread, to_text

from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions

TARGET = 1.7


def unpack_cifar(folder: Path, count: int) -> None:
    """`count` of the archive's JPEGs, evenly over its classes and splits, below `folder`."""
    with zipfile.ZipFile(data_folder() / "cifar10-jpeg.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        archive.extractall(folder, names[:: max(len(names) // count, 1)][:count])


def cut_photos(folder: Path, count: int) -> None:
    """`count` different crops of the photographs, 256x256, JPEG quality 90."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    with zipfile.ZipFile(data_folder() / "faces-easy.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        for k in range(count):
            image = Image.open(io.BytesIO(archive.read(names[k % len(names)]))).convert("RGB")
            side = int(draw.integers(160, min(image.size) + 1))
            left, top = (int(draw.integers(0, whole - side + 1)) for whole in image.size)
            photo = image.resize((256, 256), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
            photo.save(folder / f"{k:05d}.jpg", quality=90)


def by_sparring(folder: Path, side: int) -> None:
    """Decode and cache anew."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        os.environ["SPARRING_CACHE"] = cache
        open_source(folder, ReadOptions(size=(side, side), mode="RGB"))


def by_pillow(folder: Path, side: int) -> None:
    """One process, one array in memory, what a short script would do."""
    files = sorted(folder.rglob("*.jpg"))
    pixels = np.empty((len(files), side, side, 3), np.uint8)
    for k, file in enumerate(files):
        with Image.open(file) as image:
            pixels[k] = np.asarray(image.convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--small", type=int, default=20_000, help="images of 32x32")
    parser.add_argument("--large", type=int, default=6_000, help="images of 256x256")
    options = parser.parse_args()
    details: dict[str, object] = {"pairs": options.pairs}
    words, met = [], True
    with tempfile.TemporaryDirectory() as temporary:
        for name, side, build, count in (
            ("cifar 32x32", 32, unpack_cifar, options.small),
            ("photos 256x256", 256, cut_photos, options.large),
        ):
            folder = Path(temporary) / name.replace(" ", "-")
            build(folder, count)
            files = sum(1 for _ in folder.rglob("*.jpg"))
            ways: dict[str, Callable[[], object]] = {
                "sparring": partial(by_sparring, folder, side),
                "pillow": partial(by_pillow, folder, side),
            }
            seconds = alternate(ways, options.pairs)
            faster = ratios(seconds["pillow"], seconds["sparring"])
            details[name] = {
                "files": files,
                "images_per_second": {way: spread([files / s for s in took]) for way, took in seconds.items()},
                "times_faster_than_pillow": spread(faster),
            }
            words.append(f"{name}: {to_text(faster)} times")
            met = met and spread(faster)["median"] >= TARGET
    save("ingest", result="; ".join(words), target=f"at least {TARGET:g} times", met=met, details=details)


if __name__ == "__main__":
    main()

"""Packing the 10,000 binary test digits of MNIST with a PixelCNN: bytes of the code against the bits it states.

    python benchmarks/packing.py --images 300000          # about 25 minutes of one core

Protocol. A PixelCNN of binary images is trained on MNIST. The test images are made binary once by a fixed seed, packed
by `sparring pack` and unpacked again; every image must come back. `ratio` is the size of the code (without header,
names and one check byte an image) to -log2 P of the parallel pass. Other formats get one mosaic of all digits, of one
bit a pixel, which spares them the header of each file; xz gets the packed bits.
"""

from __future__ import annotations

import argparse
import io
import lzma
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image
from record import data_folder, log, save

import sparring
from sparring.commands.reporting.progress import Progress
from sparring.models.density import DensityModel

COLUMNS = 100
TARGET = 1.01


def mosaic_bytes(rows: Any) -> dict[str, int]:
    """Sizes of all images in one picture, in lossless formats."""
    n, height, width, _ = rows.shape
    table = rows[: n // COLUMNS * COLUMNS, ..., 0].reshape(-1, COLUMNS, height, width)
    picture = Image.fromarray(table.transpose(0, 2, 1, 3).reshape(-1, COLUMNS * width))
    sizes = {}
    for name, image, how in (
        ("png", picture.convert("1"), {"format": "PNG", "optimize": True}),
        ("webp", picture, {"format": "WEBP", "lossless": True, "quality": 100, "method": 6}),
    ):
        content = io.BytesIO()
        image.save(content, **how)
        sizes[name] = len(content.getvalue())
    return sizes | {"xz": len(lzma.compress(np.packbits(rows > 127).tobytes(), preset=9 | lzma.PRESET_EXTREME))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300_000)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--name", default="packing")
    arguments = parser.parse_args()
    data_folder()
    quiet = Progress(quiet=True)
    with tempfile.TemporaryDirectory() as folder:
        recipe, path = sparring.PixelCNNRecipe(binary=True), Path(folder)
        run = sparring.train("mnist", recipe, images=arguments.images, out=path / "run", progress=quiet).path
        log("trained")
        model = sparring.load(run)
        assert isinstance(model, DensityModel)
        test = sparring.open("mnist").split("test")
        x = model.observe(model.spec.encode(test[np.arange(arguments.rows)]))
        rows = model.spec.decode(x)
        np.savez(path / "digits.npz", images=rows[..., 0])
        begin = time.process_time()
        result = sparring.pack(path / "digits.npz", run, out=path / "digits.sparring", progress=quiet)
        seconds = time.process_time() - begin
        back = sparring.unpack(path / "digits.sparring", run, out=path / "back.npz", progress=quiet)
        exact = np.array_equal(np.load(back.path)["arr_0"], rows)
    ratio = result.code_bytes / result.stated_bytes
    others = mosaic_bytes(rows)
    nats = result.stated_bytes * 8 * np.log(2) / len(rows)
    save(
        arguments.name,
        result=f"{ratio:.4f} of the stated bits, {'exact' if exact else 'NOT EXACT'}; {result.bytes:,} bytes in all, "
        f"best of PNG, WebP and xz {min(others.values()):,}",
        target=f"at most {TARGET} of the stated bits, exact; at most 0.6 of the best other format",
        met=bool(ratio <= TARGET and exact and result.bytes <= 0.6 * min(others.values())),
        details={
            "images": arguments.images, "rows": len(rows), "nats": float(nats), "ratio": ratio, "exact": exact,
            "bytes": result.bytes, "code_bytes": result.code_bytes, "stated_bytes": result.stated_bytes,
            "mosaic": others, "pack_cpu_seconds": round(seconds, 1),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Peak memory of `sparring inspect` and `sparring train` on few and on many images.

    python benchmarks/memory.py            # about 3 minutes on 2 cores, 5 GB of disk meanwhile

Random 64x64 colour images in a `.npy`, 10,000 and 200,000 of them. Both trainings draw the same number of examples in
random order, which touches nearly all rows. Networks are narrow and penalties rare, so that activations do not hide a
growth. The peak is `ru_maxrss` of each subprocess; it includes the mapped pages of the cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from record import save

SIDE = 64
CHUNK = 500
TARGET = 1.1
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in `ru_maxrss`'s unit."""
NARROW = (
    "--width",
    "4",
    "--discriminator-width",
    "4",
    "--max-channels",
    "8",
    "--batch-size",
    "128",
    "--penalty-interval",
    "1000",
)
"""Recipe R3's knobs that make it quick."""


def write_images(path: Path, count: int) -> None:
    """`count` random images as a `.npy`, in chunks: a large parent would count in its children's peaks."""
    draw = np.random.default_rng(0)
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, SIDE, SIDE, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for begin in range(0, count, CHUNK):
            file.write(draw.bytes(min(CHUNK, count - begin) * SIDE * SIDE * 3))


def peak(words: Sequence[str]) -> float:
    """Megabytes of the largest resident set of `sparring WORDS`."""
    process = subprocess.Popen([sys.executable, "-m", "sparring", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"sparring {' '.join(words)}: exit code {process.returncode}")
    return round(usage.ru_maxrss * UNIT / 1e6, 1)


def peaks(count: int, images: int) -> dict[str, float]:
    """Peaks on `count` images, in a cache of their own."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["SPARRING_CACHE"] = str(Path(temporary) / "cache")
        source = Path(temporary) / "images.npy"
        write_images(source, count)
        train = ["train", str(source), "--images", str(images), "--out", str(Path(temporary) / "run"), *NARROW]
        return {"inspect_mb": peak(["inspect", str(source)]), "train_mb": peak(train)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=200_000)
    parser.add_argument("--images", type=int, default=100_000, help="to train on, in both cases")
    options = parser.parse_args()
    few, many = peaks(options.few, options.images), peaks(options.many, options.images)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 1e6
    assert own < min(*few.values(), *many.values()), "this process is larger than the measured ones"
    growth = {name: round(many[name] / few[name], 3) for name in few}
    said = (
        f"train {few['train_mb']:.0f} -> {many['train_mb']:.0f} MB, "
        f"inspect {few['inspect_mb']:.0f} -> {many['inspect_mb']:.0f} MB"
    )
    save(
        "memory",
        result=f"{said} at {options.few:,} -> {options.many:,} images",
        target=f"neither grows by more than {TARGET - 1:.0%}",
        met=max(growth.values()) <= TARGET,
        details={
            "images_trained_on": options.images,
            "knobs": " ".join(NARROW),
            f"at_{options.few}": few,
            f"at_{options.many}": many,
            "growth": growth,
        },
    )


if __name__ == "__main__":
    main()

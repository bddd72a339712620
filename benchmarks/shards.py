"""Many small images in tar shards, decoded once or at each reading: peak memory, images a second, bytes of the cache.

    python benchmarks/shards.py                  # 2,000,000 images: 30 minutes of one core, 6 GB of disk

Random 16x16 colour images as PNG in shards of 100,000, below a folder for each of 10 classes. For each way of reading:
`sparring inspect` builds the cache, and a training draws images in random order, with networks that are nearly nothing.
The peak is `ru_maxrss` of the subprocess; decoding processes have their own, which do not grow. Batches of 64 are then
read in random order, without a training.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from memory import NARROW, peak
from PIL import Image
from record import log, save

import sparring
from sparring.data.reader_api import ReadOptions

SIDE, SHARD, CLASSES, BATCH = 16, 100_000, 10, 64
MOST_MB = 3_000
READ = 100_000
"""Images that are read in random order."""


def write_shards(folder: Path, count: int) -> None:
    """Write `count` random images into shards."""
    rng = np.random.default_rng(0)
    for first in range(0, count, SHARD):
        with tarfile.open(folder / f"shard-{first // SHARD:05d}.tar", "w") as tar:
            for k in range(first, min(first + SHARD, count)):
                content = io.BytesIO()
                pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(content, "png", compress_level=0)
                member = tarfile.TarInfo(f"class{k % CLASSES}/{k:08d}.png")
                member.size = content.tell()
                content.seek(0)
                tar.addfile(member, content)
                tar.members.clear()  # else the tar remembers each


def measure(source: Path, cache: Path, stream: bool, images: int) -> dict[str, Any]:
    """Figures of one way of reading."""
    os.environ["SPARRING_CACHE"] = str(cache)
    flags = ["--stream"] if stream else []
    begin = time.perf_counter()
    inspected = peak(["inspect", str(source), *flags])
    seconds = time.perf_counter() - begin
    run = ["train", str(source), *flags, "--images", str(images), "--out", str(cache / "run"), *NARROW]
    trained = peak(run)
    data = sparring.open(source, ReadOptions(stream=stream))
    order = np.random.default_rng(0).permutation(len(data))[:READ]
    begin = time.process_time()
    for k in range(0, len(order), BATCH):
        data[order[k : k + BATCH]]
    return {
        "images": len(data), "inspect_mb": inspected, "inspect_seconds": round(seconds, 1), "train_mb": trained,
        "read_images_a_cpu_second": round(len(order) / (time.process_time() - begin)),
        "cache_mb": round(sum(p.stat().st_size for p in (cache / "data").rglob("*") if p.is_file()) / 1e6, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000_000)
    parser.add_argument("--images", type=int, default=20_000, help="to train on")
    parser.add_argument("--name", default="shards")
    options = parser.parse_args()
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        write_shards(source, options.count)
        rows["source_mb"] = round(sum(p.stat().st_size for p in source.iterdir()) / 1e6, 1)
        for name, stream in (("decoded once", False), ("--stream", True)):
            cache = Path(folder) / f"cache-{stream}"
            rows[name] = measure(source, cache, stream, options.images)
            log(f"{name}: {rows[name]}")
    highest = max(rows[way][figure] for way in ("decoded once", "--stream") for figure in ("inspect_mb", "train_mb"))
    save(
        options.name, result=f"{highest:,.0f} MB at most for {options.count:,} images",
        target=f"at most {MOST_MB:,} MB", met=highest <= MOST_MB, details=rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()

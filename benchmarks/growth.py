"""How time and memory grow with the number and size of images, with classes, and with the samples of an evaluation.

    python benchmarks/growth.py [--parts open size classes evaluate]     # about 12 minutes of one core, idle machine

Protocol. Random uint8 images; each point is a process of its own with one thread and a cache of its own.

  open      8x8 grey images in a .npy, 10^3 to 10^6.5: seconds of the first `sparring.open`, and peak memory
  train     the same images: seconds of a training of 4,096 images (narrow r3) after they were opened
  size      r3 with its own width, colour images of 8 to 256 pixels: seconds of a round of 32 images
  classes   r3 on 16x16 grey images with 2 to 1,000 classes: seconds of a round of 32 images
  evaluate  10^3 to 30,000 samples against as many images (8x8, features raw): seconds and peak memory

The exponent is the slope of log seconds over log size at the three largest points, where constant costs are small. That
of `size` is by pixels of a side. The peak includes the random images, which the same process writes. Times are the
least of `--repeats` in each process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from memory import UNIT
from record import RESULTS, log, save
from tradeoff import LOOK

import sparring
from sparring.commands.reporting.progress import Progress
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.game import Batch
from sparring.engine.loop import play
from sparring.recipes.generators.r3 import R3
from sparring.report.svg_plots import curve

POINTS: dict[str, tuple[int, ...]] = {
    "open": (1_000, 10_000, 100_000, 1_000_000, 3_162_278), "train": (1_000, 10_000, 100_000, 1_000_000, 3_162_278),
    "size": (8, 16, 32, 64, 128, 256), "classes": (2, 10, 100, 1_000), "evaluate": (1_000, 3_000, 10_000, 30_000),
}  # fmt: skip
LINEAR = {"open": 1, "train": 0, "size": 2, "classes": 0, "evaluate": 1}
"""Exponents of the cost that the work itself has, by number or by pixels of a side."""
SLACK = 0.1
QUIET = Progress(quiet=True)
TRAINED = 4_096
BATCH = 32
NARROW = R3(width=4, discriminator_width=4, max_channels=8, batch_size=128, penalty_interval=1000)


def images_of(folder: Path, count: int, name: str = "images") -> Path:
    """Write random 8x8 images."""
    path = folder / f"{name}.npy"
    np.save(path, np.random.default_rng(len(name)).integers(0, 256, (count, 8, 8), np.uint8))
    return path


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def opened(folder: Path, count: int, repeats: int) -> float:
    source = images_of(folder, count)
    return seconds(lambda: sparring.open(source))


def trained(folder: Path, count: int, repeats: int) -> float:
    source = images_of(folder, count)
    sparring.open(source)
    arguments: dict[str, Any] = {"images": TRAINED, "device": "cpu", "progress": QUIET}
    return min(
        seconds(lambda k=k: sparring.train(source, NARROW, out=folder / f"run{k}", **arguments))  # type: ignore[misc]
        for k in range(repeats)
    )


def round_of(spec: ImageSpec, repeats: int) -> float:
    """Return the seconds of a round of r3 on random images."""
    hardware, rounds = Hardware.find("cpu"), 3
    recipe = R3().resolve(spec, hardware)
    nets = {name: hardware.to_device(net) for name, net in recipe.nets(spec).items()}
    system = recipe.system(spec, nets, 1 << 40)

    class Source:
        batch_size = BATCH
        x = torch.rand(BATCH, *spec.shape) * 2 - 1
        y = torch.randint(0, max(len(spec.classes), 1), (BATCH,))

        def batches(self, nimg: int, turn: int) -> list[Batch]:
            return [Batch(self.x, self.y, nimg // BATCH, nimg * 2 + turn)]

    def run() -> None:
        left = iter(range(rounds))
        play(
            system,
            Source(),
            total=1 << 40,
            start=BATCH,
            hardware=hardware,
            should_stop=lambda: next(left, None) is None,
        )  # type: ignore[arg-type]

    run()
    return min(seconds(run) for _ in range(repeats)) / rounds


def of_size(folder: Path, side: int, repeats: int) -> float:
    return round_of(ImageSpec(height=side, width=side, channels=3, count=60_000), repeats)


def of_classes(folder: Path, count: int, repeats: int) -> float:
    names = tuple(map(str, range(count)))
    return round_of(ImageSpec(height=16, width=16, channels=1, classes=names, count=60_000), repeats)


def evaluated(folder: Path, count: int, repeats: int) -> float:
    data, samples = images_of(folder, count), images_of(folder, count, "samples")
    return seconds(
        lambda: sparring.evaluate(samples, data, features="raw", n=count, split="all", device="cpu", progress=QUIET)
    )


PARTS: dict[str, Callable[[Path, int, int], float]] = {
    "open": opened, "train": trained, "size": of_size, "classes": of_classes, "evaluate": evaluated,
}  # fmt: skip


def in_a_process(part: str, at: int, repeats: int) -> dict[str, float]:
    """Return seconds and peak memory of one point."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, "--point", part, str(at), "--repeats", str(repeats)]
        done = subprocess.run(
            command, env={**os.environ, "SPARRING_CACHE": cache}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{part} at {at}: {done.stderr[-2000:]}")
    point: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    log(f"{part} {at:,}: {point['seconds']:.3f} s, {point['megabytes']:.0f} MB")
    return {"at": at, **point}


def exponent(points: list[dict[str, float]], name: str = "seconds") -> float:
    """Return the slope of the logarithms at the three largest points."""
    x, y = (np.log([point[key] for point in points[-3:]]) for key in ("at", name))
    return round(float(np.polyfit(x, y, 1)[0]), 3)


def picture(table: dict[str, list[dict[str, float]]]) -> str:
    lines = {
        part: [(float(np.log10(point["at"])), float(np.log10(point["seconds"]))) for point in points]
        for part, points in table.items()
    }
    drawn = curve("log10 of seconds", lines, axis="log10 of images, pixels of a side, classes or samples", latest=False)
    return str(drawn).replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" style="{LOOK}" ', 1) + "\n"


def point(part: str, at: int, repeats: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        took = PARTS[part](Path(folder), at, repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 1e6
    print(json.dumps({"seconds": round(took, 4), "megabytes": round(peak, 1)}))


def measure(parts: Iterable[str], repeats: int) -> None:
    table = {part: [in_a_process(part, at, repeats) for at in POINTS[part]] for part in parts}
    grown = {part: exponent(points) for part, points in table.items()}
    (RESULTS / "growth.svg").write_text(picture(table), encoding="utf-8")
    save(
        "growth",
        result="seconds grow with an exponent of "
        + ", ".join(f"{value:.2f} ({part}; the work has {LINEAR[part]})" for part, value in grown.items()),
        target=f"no exponent above that of the work by more than {SLACK}",
        met=all(value <= LINEAR[part] + SLACK for part, value in grown.items()),
        details={"repeats": repeats, "exponents": grown, "work": LINEAR, "points": table, "pictures": ["growth.svg"]},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--point", nargs=2, metavar=("PART", "AT"), help="one point, as JSON")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.point:
        point(options.point[0], int(options.point[1]), options.repeats)
    else:
        measure(options.parts, options.repeats)


if __name__ == "__main__":
    main()

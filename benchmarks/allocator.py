"""Time that a round takes where freed memory is kept (`engine/allocator.py`), against glibc's own settings.

    python benchmarks/allocator.py            # about 5 minutes on 2 cores, idle machine

Processes alternate; each plays rounds of r3 on random images after a warm-up and reports seconds a round and page
faults a round. glibc's own settings: an environment variable that sets nothing else keeps `sparring` from setting any.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

import torch
from record import ratios, save, spread

from sparring.engine.allocator import ENVIRONMENT
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.game import Batch
from sparring.engine.loop import play
from sparring.recipes.generators.r3 import R3

SHAPES = {"28x28x1": (28, 28, 1), "32x32x3": (32, 32, 3), "64x64x3": (64, 64, 3)}
GLIBC = {"MALLOC_ARENA_TEST": "8"}
"""The default, set by hand."""


class RandomImages:
    """The same random images in each batch."""

    def __init__(self, spec: ImageSpec, batch_size: int) -> None:
        self.batch_size = batch_size
        self.x, self.y = torch.rand(batch_size, *spec.shape) * 2 - 1, torch.randint(0, 10, (batch_size,))

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """Return one batch with noise of its own."""
        return [Batch(self.x, self.y, nimg // self.batch_size, 2 * nimg + turn)]


def one(shape: str, rounds: int) -> dict[str, float]:
    """Seconds and page faults of a round in this process."""
    import resource

    height, width, channels = SHAPES[shape]
    spec = ImageSpec(height=height, width=width, channels=channels, classes=tuple("0123456789"), count=60_000)
    hardware, recipe = Hardware.find("cpu"), R3()
    recipe = recipe.resolve(spec, hardware)
    nets = {name: hardware.to_device(net) for name, net in recipe.nets(spec).items()}
    system, source = recipe.system(spec, nets, 1 << 40), RandomImages(spec, recipe.batch_size)

    def play_rounds(count: int) -> None:
        left = iter(range(count))
        play(system, source, total=1 << 40, start=source.batch_size, hardware=hardware,
             should_stop=lambda: next(left, None) is None)  # fmt: skip

    play_rounds(4)
    faults, begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
    play_rounds(rounds)
    seconds = (time.perf_counter() - begin) / rounds
    return {"seconds": seconds, "faults": (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) / rounds}


def measured(shape: str, rounds: int, environment: dict[str, str]) -> dict[str, float]:
    """The same in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT)}
    command = [sys.executable, __file__, "--one", shape, "--rounds", str(rounds)]
    done = subprocess.run(command, env={**inherited, **environment}, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--one", choices=SHAPES, help="measure in this process, and print it")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.rounds)))
        return
    shapes = {}
    for shape in SHAPES:
        kept, glibc = [], []
        for _ in range(options.pairs):
            kept.append(measured(shape, options.rounds, {}))
            glibc.append(measured(shape, options.rounds, GLIBC))
        times = ratios([each["seconds"] for each in glibc], [each["seconds"] for each in kept])
        shapes[shape] = {
            "times_as_fast": spread(times),
            "faults_a_round": {"kept": median(e["faults"] for e in kept), "glibc": median(e["faults"] for e in glibc)},
        }
    shown = ", ".join(f"{shape} {of['times_as_fast']['median']:.2f}" for shape, of in shapes.items())
    save(
        "allocator",
        result=f"{shown} times as fast as with glibc's own settings",
        target="faster at every size",
        met=all(of["times_as_fast"]["min"] > 1 for of in shapes.values()),
        details={"pairs": options.pairs, "rounds": options.rounds, "shapes": shapes},
    )


if __name__ == "__main__":
    main()

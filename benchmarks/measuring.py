"""Proportion of a training's time that the metrics of its samples take.

    python benchmarks/measuring.py       # about 2 minutes on 2 cores, idle machine

Recipe r3 on scikit-learn's digits, MNIST and the faces, with the plans of `sparring train --minutes` for 2 and 10
minutes at the speed measured here. Rounds of the loop and measurements alternate. Counted is all that
`commands.training.monitor` does: choosing its images, the baselines at image 0, and one measurement at every save.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

import torch
from record import alternate, data_folder, save, spread

from sparring.commands.training.monitor import monitor
from sparring.commands.training.plan import OVERHEAD_FRACTION, Plan
from sparring.data.dataset import Dataset
from sparring.data.loader import BatchLoader
from sparring.data.open import open_source
from sparring.engine.device import Hardware
from sparring.engine.loop import play
from sparring.models.generator import GeneratorModel
from sparring.recipes.generators.r3 import R3

TARGET = 0.03
MINUTES = (2, 10)
SOURCES = {"digits": "digits", "mnist": "mnist", "faces": "faces-easy.zip"}


def shares(images: Dataset, hardware: Hardware, pairs: int, rounds: int) -> dict[str, Any]:
    """Of each number of minutes, with what it was taken from."""
    recipe = R3().resolve(images.spec, hardware)
    torch.manual_seed(0)
    system = recipe.system(
        images.spec, {k: hardware.to_device(n) for k, n in recipe.nets(images.spec).items()}, 1 << 40
    )
    counts = tuple(images.report.classes.values())
    model = GeneratorModel(system.ema.net, images.spec, recipe, counts)
    feed, size = BatchLoader(images, recipe.batch_size), recipe.batch_size

    def some_rounds() -> None:
        left = iter(range(rounds))
        play(system, feed, total=1 << 40, start=size, hardware=hardware, should_stop=lambda: next(left, None) is None)

    def speed_of(seconds: float) -> float:
        return rounds * size / seconds

    def plan(minutes: float, speed: float) -> Plan:
        return Plan.of(int(minutes * 60 * speed * (1 - OVERHEAD_FRACTION)), size, minutes, speed)

    guess = speed_of(min(alternate({"probe": some_rounds}, 2)["probe"]))
    measures, first = {}, {}
    for minutes in MINUTES:
        begin = time.perf_counter()
        measures[minutes] = monitor(system.game, model, images, plan(minutes, guess))
        measures[minutes](0)
        first[minutes] = time.perf_counter() - begin
    seconds = alternate(
        {"rounds": some_rounds, **{str(m): partial(measures[m], size) for m in MINUTES}}, pairs, warm_up=1
    )
    speed = speed_of(spread(seconds["rounds"])["median"])
    summary: dict[str, Any] = {"images_per_second": speed}
    for minutes in MINUTES:
        one, planned = spread(seconds[str(minutes)])["median"], plan(minutes, speed)
        times = -(-planned.images // planned.save_every)
        share = (first[minutes] + times * one) / (planned.images / speed)
        summary[f"{minutes} min"] = {"share": share, "measures": times, "seconds": one, "first_seconds": first[minutes]}
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=40, help="rounds of the loop in a measurement")
    parser.add_argument("--data", nargs="*", choices=SOURCES, default=[*SOURCES])
    options = parser.parse_args()
    folder = data_folder()
    hardware = Hardware.find("cpu")
    results = {}
    for name in options.data:
        source = SOURCES[name]
        images = open_source(folder / source if "." in source else source)
        results[name] = shares(images, hardware, options.pairs, options.rounds)
    worst = max(summary[f"{minutes} min"]["share"] for summary in results.values() for minutes in MINUTES)
    words = ", ".join(
        f"{name} {' and '.join(format(summary[f'{m} min']['share'], '.1%') for m in MINUTES)}"
        for name, summary in results.items()
    )
    save(
        "measuring",
        result=f"{words} of {' and '.join(map(str, MINUTES))} minutes",
        target=f"under {TARGET:.0%}",
        met=worst < TARGET,
        details={"pairs": options.pairs, "rounds": options.rounds, "seed": 0, "found": results},
    )


if __name__ == "__main__":
    main()

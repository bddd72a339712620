"""Overhead of the training loop: proportion of its time that is not spent in the networks.

    python benchmarks/overhead.py            # about 2 minutes on 2 cores, idle machine

`loop` is `engine.loop.play` with recipe r3 on MNIST from its cache on disk: batches, noise, schedules, checks,
statistics, EMA, and a callback every 20 rounds. `bare` is the loss, backward pass and optimizer step of the same game
on one fixed batch. Saving and showing are not included: the plan of `--minutes` counts them.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from functools import partial

import torch
from record import alternate, data_folder, save, spread, to_text

from sparring.data.loader import BatchLoader
from sparring.data.open import open_source
from sparring.engine.device import Hardware
from sparring.engine.game import freeze_others
from sparring.engine.loop import Callback, System, play
from sparring.recipes.generators.r3 import R3

TARGET = 0.05


def play_rounds(system: System, feed: BatchLoader, hardware: Hardware, due: Callback, count: int) -> None:
    """`count` rounds of the loop."""
    left = iter(range(count))
    play(
        system, feed, total=1 << 40, start=feed.batch_size, hardware=hardware, callbacks=[due],
        should_stop=lambda: next(left, None) is None,
    )  # fmt: skip


def bare_rounds(system: System, feed: BatchLoader, hardware: Hardware, count: int) -> None:
    """`count` rounds of nothing but losses, gradients and steps."""
    (batch,) = feed.batches(0, 0)
    for _ in range(count):
        for player in system.game.turns:
            optimizer = system.optimizers[player]
            optimizer.zero_grad(set_to_none=True)
            with freeze_others(system.game, player):
                with hardware.autocast():
                    loss, _ = system.game.loss(player, batch, 0.0)
                loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=60, help="rounds of a measurement")
    options = parser.parse_args()
    data_folder()
    images, hardware = open_source("mnist"), Hardware.find("cpu")
    recipe = R3().resolve(images.spec, hardware)
    torch.manual_seed(0)
    nets = recipe.nets(images.spec)

    def build() -> System:
        placed = {name: hardware.to_device(copy.deepcopy(net)) for name, net in nets.items()}
        return recipe.system(images.spec, placed, total=1 << 40)

    feed = BatchLoader(images, recipe.batch_size)
    due = Callback(20 * recipe.batch_size, lambda nimg, means: None)
    runs: dict[str, Callable[[], object]] = {
        "loop": partial(play_rounds, build(), feed, hardware, due, options.rounds),
        "bare": partial(bare_rounds, build(), feed, hardware, options.rounds),
    }
    seconds = alternate(runs, options.pairs, warm_up=2)
    overheads = [1 - bare / loop for bare, loop in zip(seconds["bare"], seconds["loop"], strict=True)]
    each = {name: spread([s / options.rounds * 1e3 for s in took]) for name, took in seconds.items()}
    percent = to_text([100 * share for share in overheads], ".1f")
    save(
        "overhead",
        result=f"{percent} %",
        target=f"under {TARGET:.0%}",
        met=spread(overheads)["median"] < TARGET,
        details={"pairs": options.pairs, "rounds": options.rounds, "seed": 0, "overhead": spread(overheads),
                 "milliseconds_a_round": each},
    )  # fmt: skip


if __name__ == "__main__":
    main()

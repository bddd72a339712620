"""What every training goes through: the run, the images, a plan, the rounds until its end or a signal."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from torch import nn

from sparring.commands.reporting.progress import Progress
from sparring.commands.training.interrupt import Stopped, diverging, signals
from sparring.commands.training.plan import Plan, check_memory, measure_speed
from sparring.commands.training.run_settings import TrainRequest, check_same, settings_of
from sparring.data.dataset import Dataset
from sparring.data.loader import BatchLoader
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine import dist
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError
from sparring.engine.loop import Callback, System, play
from sparring.engine.run_folder import Run
from sparring.engine.version import __version__
from sparring.recipes.recipe import Recipe

MINUTES = 10.0
"""Of training, where neither minutes nor images are asked for."""

Nets = Callable[[ImageSpec], Mapping[str, nn.Module]]
"""The data's spec -> networks by player: one's own in place of the recipe's."""


@dataclass(frozen=True)
class TrainingSession:
    """One training, new or gone on with; its commands call the methods in this order."""

    command: str
    """`train`, `classify` or `harden`."""
    source: str | Path
    asked: TrainRequest
    run: Run
    begun: bool
    """True where the run was there already."""
    hardware: Hardware
    nets: Nets | None
    """Networks of one's own."""
    progress: Progress

    @classmethod
    def of(
        cls, command: str, source: str | Path, asked: TrainRequest, name: str, out: str | Path | None, hardware: Hardware,
        nets: Nets | None, progress: Progress,
    ) -> TrainingSession:  # fmt: skip
        """The run at `out`, with what it was asked for; or a new one, by the recipe's `name` where there is no `out`."""
        run = Run(out if out is not None else free_name(source, name))
        begun = run.exists
        asked = asked.taken_over(run) if begun else asked.filled()
        if not begun:
            run.check_writable()
        return cls(command, source, asked, run, begun, hardware, nets, progress)

    @property
    def seed(self) -> int:
        """That of the run."""
        return self.asked.seed or 0

    def open(self) -> Dataset:
        """The training images; opened by process 0 first, so that the cache is built once."""
        asked, progress = self.asked, self.progress
        if dist.rank() != 0:
            dist.barrier()
        try:
            data = open_source(
                self.source, ReadOptions(size=asked.size, mode=asked.mode), on_progress=progress.callback("reading")
            )
        finally:
            if dist.rank() == 0:
                dist.barrier()
        if asked.label_fraction is not None:
            data = data.with_labels(asked.label_fraction)
        for note in data.report.notes:
            progress.info(f"note: {note}")
        if left := sum(map(len, data.report.skipped.values())):
            progress.info(f"note: {left:,} files are left out; `sparring inspect` names them and tells why")
        if not len(data):
            raise SparringError(f"{self.source} holds test images alone: name the source of the training images")
        if len(data) < 2:
            raise SparringError(
                f"{self.source} holds one usable image: a generator needs two or more to learn from, and hundreds to be good"
            )
        return data

    def check_same(self, recipe: Recipe | str | None, data: Dataset) -> None:
        """Raise UsageError, naming each difference, where the run was begun with another `recipe`, or other data or networks."""
        if self.begun:
            check_same(self.run, recipe, data, own_nets=self.nets is not None)

    def about(self, data: Dataset) -> dict[str, Any]:
        """What the card of a model tells of where it comes from."""
        return {"own_nets": self.nets is not None, "seed": self.asked.seed, "data": data.fingerprint,
                "sparring": __version__}  # fmt: skip

    def plan(
        self, recipe: Recipe, data: Dataset, build: Callable[[int], System], feed: BatchLoader, **more: Any
    ) -> Plan:
        """The run's own plan; or a new one, by what was asked for, which is written into run.json with all settings, and `more`.

        Raises SparringError, naming the size that fits, where there is too little memory.
        """
        run, hardware, progress = self.run, self.hardware, self.progress
        memory = check_memory(recipe, data.spec, hardware) if self.nets is None else None
        if self.begun:
            plan = Plan(**run.settings["plan"])
        else:
            plan = self._new_plan(build, feed)
            settings = settings_of(
                self.source, data, recipe, self.asked, plan, hardware, own_nets=self.nets is not None
            )
            if dist.rank() == 0:
                run.write_settings({**settings, **more})
        dist.barrier()
        if self.begun and (first := run.settings["hardware"]) != hardware.describe():
            progress.info(
                f"note: the run was begun on {first}, and goes on with {hardware.describe()}: other bits than without a stop"
            )
        progress.info(plan.to_text(hardware, memory))
        return plan

    def _new_plan(self, build: Callable[[int], System], feed: BatchLoader) -> Plan:
        """As many images as were asked for, or as the minutes allow at the speed of a probe."""
        if self.asked.images is not None:
            return Plan.of(self.asked.images, feed.batch_size)
        minutes = self.asked.minutes if self.asked.minutes is not None else MINUTES
        self.progress.info("measuring the speed ...")
        speed = measure_speed(lambda: build(1 << 50), feed, self.hardware, minutes)
        return Plan.of(Plan.images_in(minutes, speed), feed.batch_size, minutes, speed)

    def begin(self, system: System, recipe: Recipe, data: Dataset) -> int:
        """The image from which to play: that of the latest checkpoint, which is put into `system`, or 0."""
        run, progress = self.run, self.progress
        start = run.load_latest(system)
        if start is None and any(line["nimg"] > 0 for line in run.metrics()):
            raise SparringError(
                f"{run.path} has lost its checkpoints, and would begin anew over what it has: choose another --out"
            )
        for warning in run.warnings:
            progress.info(f"warning: {warning}")
        progress.info(
            f"{'going on with' if start else 'training'} {recipe.name} on {len(data):,} images, run {run.path}"
        )
        return start or 0

    def play(self, system: System, feed: BatchLoader, plan: Plan, start: int, due: Sequence[Callback]) -> None:
        """Play from image `start` to the end of the plan.

        Raises Stopped, with the way on, where a signal came: what was played is saved then.
        """
        self.progress.begin("training", plan.images, start)
        try:
            with signals() as stop, diverging(system, self.run):
                done = play(system, feed, total=plan.images, start=start, seed=self.seed, hardware=self.hardware,
                            callbacks=due, should_stop=lambda: bool(stop))  # fmt: skip
        finally:
            self.progress.end()
        if dist.rank() == 0:
            self.run.write_film()
        if done < plan.images:
            raise Stopped(
                f"stopped at image {done:,} of {plan.images:,}; all is saved. Go on with: "
                f"sparring {self.command} {quote(str(self.source))} --out {quote(str(self.run.path))}"
            )


def free_name(source: str | Path, name: str) -> Path:
    """`runs/<source>-<name>`, with a number where that is taken."""
    last = Path(str(source).partition("#")[0].rstrip("/\\")).name.split(".")[0]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-") or "data"
    names = (f"runs/{stem}-{name}" + (f"-{k}" if k > 1 else "") for k in itertools.count(1))
    return next(Path(name) for name in names if not Path(name).exists())

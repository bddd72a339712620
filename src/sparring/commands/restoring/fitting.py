"""Fit the prior to a picture, coarse size first, in a folder that a repeated call continues from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sparring.commands.reporting.progress import Progress
from sparring.commands.training.interrupt import Stopped, diverging, signals
from sparring.engine.atomic_io import remove
from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.loop import Callback, System, play
from sparring.engine.run_folder import Run
from sparring.engine.seeds import mix
from sparring.nets.hourglass import Hourglass
from sparring.restoration.architecture import Architecture, fixed_noise
from sparring.restoration.prior import Fit, FixedInput, ImagePrior
from sparring.restoration.stopping import masked_error
from sparring.restoration.task import Task
from sparring.restoration.views import views_for

WARM_UP_STEPS = 60
"""First steps of a fit, which no rule selects."""
PATIENCE = 0.25
"""Fraction of the steps, without a new minimum of the rule that decides, after which the fit stops."""
ENOUGH_STEPS = 400
"""Number of steps below which a fit is likely to be blurred."""
PROBE_STEPS = 3
SAVE_SECONDS = 30.0
"""Time between checkpoints."""


@dataclass(frozen=True)
class Plan:
    """Number of steps, which restore.json keeps for a resumed call."""

    steps: int
    """Largest number of steps at full size."""
    coarse_steps: int
    """Number of steps at half the size, before."""
    save_every: int
    """Steps between checkpoints."""
    minutes: float | None = None
    """Time that was requested; None: a number of steps was."""
    seconds_per_step: float | None = None
    """Time that the probe measured."""

    @classmethod
    def of(cls, steps: int, coarse: float, minutes: float | None = None, seconds: float | None = None) -> Plan:
        """Return a plan of that many steps at full size, and `coarse` times as many at half the size before."""
        save_every = max(steps // 10 if seconds is None else round(SAVE_SECONDS / seconds), 1)
        return cls(steps, round(steps * coarse), min(save_every, steps), minutes, seconds)

    @classmethod
    def in_minutes(cls, minutes: float, seconds: float, coarse: float) -> Plan:
        """Return the plan that fits `minutes`, at `seconds` a step."""
        cost = seconds * (1 + coarse / 4)
        return cls.of(max(int(minutes * 60 / cost), 1), coarse, minutes, seconds)

    def to_text(self, width: int, height: int) -> str:
        """Return the plan as one line, for a picture of this size."""
        text = f"up to {self.steps:,} steps at {width}x{height}"
        if self.coarse_steps:
            text += f", after {self.coarse_steps:,} at half the size"
        return text if self.minutes is None else f"{text}: at most {self.minutes:g} minutes"

    def advice(self) -> str:
        """Return what to do where the time allows too few steps; nothing where it is enough."""
        if self.minutes is None or self.steps >= ENOUGH_STEPS:
            return ""
        minutes = math.ceil(self.minutes * ENOUGH_STEPS / self.steps)
        return (
            f"{self.steps:,} steps are few for a picture of this size: --minutes {minutes} gives about {ENOUGH_STEPS}; "
            "or cut out the part that matters"
        )


@dataclass(frozen=True)
class Level:
    """A task at one size, with the system that is fitted to it."""

    task: Task
    game: ImagePrior
    system: System
    source: FixedInput
    run: Run
    steps: int

    @classmethod
    def build(
        cls, task: Task, architecture: Architecture, run: Run, steps: int, seed: int, hardware: Hardware,
        coarse: Task | None = None,
    ) -> Level:  # fmt: skip
        """Return the level with a fresh network, drawn by the seed; `coarse` is the task of the level before."""
        task = task.to(hardware.device)
        z = fixed_noise(task, architecture, seed, coarse).to(hardware.device)
        views, start = views_for(task, architecture.views, seed), task.start()
        visible = {"none": 0}.get(architecture.views, start.shape[1]) + 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(seed))
            skips = (architecture.skip,) * len(architecture.widths)
            net = Hourglass(z.shape[1] + visible, start.shape[1], architecture.widths, skips)
        fit = Fit(net, start, task.rules)
        if architecture.residual:
            for p in net.head.parameters():
                nn.init.zeros_(p)
            if "held_out" in task.rules:  # the network is only used where it is better than what it begins with
                fit.minimum("held_out").update(0, masked_error(start, task.observed, task.held_out), start)
        hardware.to_device(fit)
        game = ImagePrior(fit, task, views, architecture, min(WARM_UP_STEPS, steps // 2))
        optimizer = torch.optim.Adam(net.parameters(), architecture.lr)
        ema = EMA(net.head, lambda at: 1.0)  # answers are averaged outputs, not averaged weights
        return cls(task, game, System(game, {"fit": optimizer}, ema), FixedInput(z, seed), run, steps)

    @property
    def fit(self) -> Fit:
        """The player."""
        return self.game.fit

    def settled(self) -> bool:
        """Return True where the rule that decides had no new minimum for its patience; False where there is none."""
        if not self.task.rules:
            return False
        best = int(self.fit.minimum(self.task.rules[0]).step)
        return int(self.fit.steps) - best > self.patience

    def selected(self) -> tuple[Tensor, str]:
        """Return the output `[1, C, H, W]` that is the result, and the rule that selected it."""
        if not self.task.rules:
            return self.fit.average, "end"
        rule = self.task.rules[0]
        minimum = self.fit.minimum(rule)
        return (minimum.output, rule) if minimum.exists else (self.fit.average, "end")

    @property
    def patience(self) -> float:
        """Number of steps without a new minimum after which the fit stops."""
        return max(PATIENCE * self.steps, 2.0 * WARM_UP_STEPS)


def measure_step(task: Task, architecture: Architecture, seed: int, hardware: Hardware) -> float:
    """Return the seconds of a step on a separate system, the first of which is left out."""
    level = Level.build(task, architecture, Run(Path()), PROBE_STEPS, seed, hardware)
    times = [time.perf_counter()]

    def tick() -> bool:
        times.append(time.perf_counter())
        return False

    play(level.system, level.source, total=PROBE_STEPS, hardware=hardware, should_stop=tick)
    return min(after - before for before, after in zip(times[2:], times[3:], strict=False))


def play_level(level: Level, what: str, save_every: int, seed: int, hardware: Hardware, progress: Progress,
               stops: Callable[[], bool], command: str) -> int:  # fmt: skip
    """Fit to the end of the level's steps or until `stops`; return the number of steps. Raises Stopped on a signal."""
    start = level.run.load_latest(level.system) or 0
    for warning in level.run.warnings:
        progress.info(f"note: {warning}")
    progress.begin(what, level.steps, start, "steps")
    done = start

    def log(nimg: int, means: Mapping[str, float]) -> None:
        if means:
            level.run.log(nimg, means)
            progress.update(nimg, {"loss": means["fit"]})

    def save(nimg: int, means: Mapping[str, float]) -> None:
        level.run.save(level.system, nimg)

    try:
        with signals() as received, diverging(level.system, level.run):
            done = play(
                level.system, level.source, total=level.steps, start=start, seed=seed, hardware=hardware,
                callbacks=[Callback(max(level.steps // 100, 1), log), Callback(save_every, save)],
                should_stop=lambda: bool(received) or stops(),
            )  # fmt: skip
    finally:
        progress.end()
    if received and done < level.steps:
        raise Stopped(f"stopped at step {done:,} of {level.steps:,}; all is saved. Continue with: {command}")
    return done


def carry_over(coarse: Level, fine: Level) -> None:
    """Copy the network of the coarse level to the fine one, whose averages begin anew."""
    fine.fit.net.load_state_dict(coarse.fit.net.state_dict())


def forget(run: Run) -> None:
    """Remove the checkpoints of a level that is finished."""
    remove(run.path / "checkpoints")

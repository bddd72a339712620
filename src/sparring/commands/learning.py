"""What every training of a classifier goes through: the run, the labels, the plan, the rounds. `classify` and `harden` use it."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import torch
from torch import nn

from sparring import __version__
from sparring.commands.asked import Asked, recipe_of, settings_of
from sparring.commands.plan import Plan, check_memory
from sparring.commands.progress import Progress
from sparring.commands.train import Nets, Stopped, begin_at, diverging, free_name, open_training, plan_of, signals
from sparring.data.arrays import as_input
from sparring.data.dataset import Images
from sparring.data.feed import Feed
from sparring.data.labels import labels_as
from sparring.engine import dist
from sparring.engine.checkpoint import check_finite
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.loop import Due, System, play
from sparring.engine.run import Run
from sparring.recipes import CLASSIFIERS, HARDENERS, RECIPES, used
from sparring.recipes.classifier import Classifier, load_classifier
from sparring.recipes.fewlabels import ClassifierRecipe, started

GLANCE = 1000
"""Held-out images that are looked at while it trains: for the curve alone, nothing is chosen by it."""

Events = Callable[[System, Plan], Sequence[Due]]
"""What is due when, beside what is due in every training of a classifier."""


@dataclass(frozen=True)
class Learning:
    """One training of a classifier, new or gone on with."""

    command: str
    """`classify` or `harden`."""
    source: str | Path
    asked: Asked
    run: Run
    begun: bool
    """True where the run was there already."""
    hardware: Hardware
    nets: Nets | None
    """Networks of one's own."""
    say: Progress

    @classmethod
    def of(
        cls, command: str, source: str | Path, asked: Asked, name: str, out: str | Path | None, hardware: Hardware,
        nets: Nets | None, progress: Progress | None,
    ) -> Learning:  # fmt: skip
        """The run at `out`, with what it was asked for; or a new one, by `name` where there is no `out`."""
        dist.check_alone()
        run = Run(out if out is not None else free_name(source, name, name))
        begun = run.exists
        asked = asked.taken_over(run) if begun else asked.filled()
        if not begun:
            run.claim()
        return cls(command, source, asked, run, begun, hardware, nets, progress or Progress())

    def open(self) -> Images:
        """The training images."""
        return open_training(self.source, self.asked, self.say)

    def recipe(self, asked: ClassifierRecipe, known: Iterable[str]) -> ClassifierRecipe:
        """That of the run, or of a new one what was asked for; raises UsageError on a recipe of another command."""
        chosen: Any = recipe_of(self.run) if self.begun else asked
        if self.begun and chosen.name in RECIPES:
            raise UsageError(
                f"{self.run.path} holds a generator of `sparring train` ({chosen.name}): choose another --out"
            )
        if chosen.name in (RECIPES | CLASSIFIERS | HARDENERS).keys() - set(known):
            where = f"{self.run.path} is a run of another command: choose another --out; " if self.begun else ""
            raise UsageError(f"{where}{used(chosen.name)}")
        recipe: ClassifierRecipe = chosen
        return recipe

    def about(self, data: Images) -> dict[str, Any]:
        """What the classifier's card tells of where it comes from."""
        return {"own_nets": self.nets is not None, "seed": self.asked.seed, "data": data.fingerprint,
                "sparring": __version__, "scaled": scaled(data), "mode": data.report.mode}  # fmt: skip

    def play(
        self, recipe: ClassifierRecipe, feed: Feed, data: Images, whole: Images, events: Events, told: Sequence[str]
    ) -> System:
        """Play `recipe` on `data` from where the run stands to the end of its plan; `told` are names of metrics to show.

        Raises Stopped, with the way on, where a signal came; what was played is saved then.
        """
        asked, hardware, say, run = self.asked, self.hardware, self.say, self.run
        memory = check_memory(recipe, data.spec, hardware) if self.nets is None else None

        def build(total: int) -> System:
            return started(recipe, self.nets or recipe.nets, feed, total, asked.seed or 0, hardware)

        if self.begun:
            _check_same_labels(run, data)
            plan = Plan(**run.settings["plan"])
        else:
            plan = plan_of(asked, build, feed, hardware, say)
            settings = settings_of(self.source, data, recipe, asked, plan, hardware, own_nets=self.nets is not None)
            run.begin({**settings, "labels": _fingerprint(data)})
        say.say(plan.in_words(hardware, memory))
        system = build(plan.images)
        start = begin_at(run, system, recipe, len(data), say)
        due = [self._log(plan, told), *events(system, plan), self._save(plan, system, data, whole)]
        say.begin("training", plan.images, start)
        try:
            with signals() as stop, diverging(system, run):
                done = play(system, feed, total=plan.images, start=start, seed=asked.seed or 0, hardware=hardware,
                            due=due, until=lambda: bool(stop))  # fmt: skip
        finally:
            say.end()
        run.film()
        if done < plan.images:
            raise Stopped(
                f"stopped at image {done:,} of {plan.images:,}; all is saved. Go on with: "
                f"sparring {self.command} {quote(str(self.source))} --out {quote(str(run.path))}"
            )
        return system

    def save(self, classifier: Classifier) -> None:
        """Write it into the run; the one that lies there stays if it was told facts since: training knows nothing of them."""
        try:
            told = self.begun and len(load_classifier(self.run.path, copy.deepcopy(classifier.net).cpu()).memory)
        except SparringError:  # none yet, or a damaged one, which is written anew
            told = 0
        if told:
            self.say.say(f"note: the classifier in {self.run.path} remembers what it was told since: it stays as it is")
        else:
            classifier.save(self.run.path)

    def _log(self, plan: Plan, told: Sequence[str]) -> Due:
        """A line of metrics."""

        def log(nimg: int, means: Mapping[str, float]) -> None:
            if means:
                self.run.log(nimg, means)
                self.say.at(nimg, {name: means[name] for name in told if name in means})

        return Due(plan.log_every, log)

    def _save(self, plan: Plan, system: System, data: Images, whole: Images) -> Due:
        """A glance at held-out images, and a checkpoint."""
        run = self.run
        glance = _glance(averaged(system), whole.split("test"), data.spec.classes, self.hardware)
        begin, before = time.monotonic(), max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0)

        def save(nimg: int, means: Mapping[str, float]) -> None:
            check_finite(system.game.players.items(), nimg)
            if not any(line["nimg"] == nimg and "minutes" in line for line in run.metrics()):  # a finished run's last
                run.log(nimg, {**glance(), "minutes": round(before + (time.monotonic() - begin) / 60, 3)})
            run.save(system, nimg)

        return Due(plan.save_every, save)


def averaged(system: System) -> nn.Module:
    """The averaged classifier."""
    nets: Any = system.average.net
    net: nn.Module = nets["classifier"]
    return net


def check_labels(whole: Images) -> None:
    """Raise UsageError where the images have vectors in place of labels."""
    if whole.vectors is not None:
        raise UsageError("the labels of these images are vectors of numbers: a classifier needs classes")


def never_answered(data: Images) -> list[str]:
    """A note on each class without a labelled image; raises UsageError where there is one class alone."""
    classes = data.spec.classes
    if len(classes) < 2:
        raise UsageError(f"the labels name only one class ('{classes[0]}'): a classifier tells two or more apart")
    counts = zip(classes, data.class_counts, strict=True)
    return [f"no labelled image is of class '{name}': it can never be answered" for name, some in counts if not some]


def _fingerprint(data: Images) -> str:
    """Of the labels that are told."""
    return hashlib.blake2b(
        repr((data.spec.classes, data.labels.tolist())).encode(errors="replace"), digest_size=16
    ).hexdigest()


def _check_same_labels(run: Run, data: Images) -> None:
    """Raise UsageError where the table of labels is another than the run was begun with."""
    if run.settings["labels"] != _fingerprint(data):
        raise UsageError(
            f"{run.path} was begun with other labels: {run.settings['asked']['labels_file']} has changed. Choose another --out"
        )


def _glance(
    net: nn.Module, held_out: Images, classes: tuple[str, ...], hardware: Hardware
) -> Callable[[], dict[str, float]]:
    """A function that tells the share of errors on some held-out images, where there are any with labels."""
    labels = labels_as(classes, held_out)
    rows = np.flatnonzero(labels >= 0)
    rows = np.random.default_rng(0).permutation(rows)[:GLANCE]
    if not len(rows):
        return lambda: {}
    x = as_input(held_out[rows], torch.device("cpu"))
    y = torch.from_numpy(labels[rows])

    @torch.no_grad()
    def errors() -> dict[str, float]:
        with hardware.autocast():
            guesses = torch.cat([net(part.to(hardware.device)).argmax(1).cpu() for part in torch.split(x, 250)])
        return {"error": float((guesses != y).double().mean())}

    return errors


def scaled(data: Images) -> bool:
    """True where images of other sizes or modes were brought to one: those that come later are then, too."""
    height, width, _ = data.report.shape
    return set(data.report.shapes_found) != {f"{height}x{width} {data.report.mode}"}

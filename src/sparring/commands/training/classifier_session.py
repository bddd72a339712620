"""What every training of a classifier goes through beside: its recipe, its labels, a glance now and then. `classify` and `harden` use it."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from sparring.commands.training.plan import Plan
from sparring.commands.training.run_settings import recipe_of
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.in_memory import as_input
from sparring.data.labels import labels_as
from sparring.data.loader import BatchLoader
from sparring.engine.checkpoint import check_finite
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.loop import Callback, System
from sparring.engine.run_folder import Run
from sparring.models.classifier import Classifier, load_classifier
from sparring.recipes import RECIPES, usage
from sparring.recipes.classifier_recipe import ClassifierRecipe, build_system

GLANCE = 1000
"""Held-out images that are looked at while it trains: for the curve alone, nothing is chosen by it."""

Events = Callable[[System, Plan], Sequence[Callback]]
"""What is due when, beside what is due in every training of a classifier."""


def recipe_for(training: TrainingSession, asked: ClassifierRecipe) -> ClassifierRecipe:
    """That of the run, or of a new one what was asked for; raises UsageError on a recipe of another command."""
    run, begun = training.run, training.begun
    chosen: Any = recipe_of(run) if begun else asked
    entry = RECIPES.get(chosen.name)
    if entry is not None and entry.command != training.command:
        if begun and entry.trains == "generator":
            raise UsageError(f"{run.path} holds a generator of `sparring train` ({chosen.name}): choose another --out")
        where = f"{run.path} is a run of another command: choose another --out; " if begun else ""
        raise UsageError(f"{where}{usage(chosen.name)}")
    recipe: ClassifierRecipe = chosen
    return recipe


def learn(
    training: TrainingSession,
    recipe: ClassifierRecipe,
    feed: BatchLoader,
    data: Dataset,
    whole: Dataset,
    events: Events,
    told: Sequence[str],
) -> System:
    """Play `recipe` on `data` from where the run stands to the end of its plan; `told` are names of metrics to show.

    Raises Stopped, with the way on, where a signal came; what was played is saved then.
    """

    def build(total: int) -> System:
        return build_system(recipe, training.nets or recipe.nets, feed, total, training.seed, training.hardware)

    if training.begun:
        _check_same_labels(training.run, data)
    plan = training.plan(recipe, data, build, feed, labels=_fingerprint(data))
    system = build(plan.images)
    start = training.begin(system, recipe, data)
    due = [_log(training, plan, told), *events(system, plan), _save(training, plan, system, data, whole)]
    training.play(system, feed, plan, start, due)
    return system


def _log(training: TrainingSession, plan: Plan, told: Sequence[str]) -> Callback:
    """A line of metrics."""

    def log(nimg: int, means: Mapping[str, float]) -> None:
        if means:
            training.run.log(nimg, means)
            training.progress.update(nimg, {name: means[name] for name in told if name in means})

    return Callback(plan.log_every, log)


def _save(training: TrainingSession, plan: Plan, system: System, data: Dataset, whole: Dataset) -> Callback:
    """A glance at held-out images, and a checkpoint."""
    run = training.run
    glance = _glance(averaged(system), whole.split("test"), data.spec.classes, training.hardware)
    begin, before = time.monotonic(), max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0)

    def save(nimg: int, means: Mapping[str, float]) -> None:
        check_finite(system.game.players.items(), nimg)
        if not any(line["nimg"] == nimg and "minutes" in line for line in run.metrics()):  # a finished run's last
            run.log(nimg, {**glance(), "minutes": round(before + (time.monotonic() - begin) / 60, 3)})
        run.save(system, nimg)

    return Callback(plan.save_every, save)


def about(training: TrainingSession, data: Dataset) -> dict[str, Any]:
    """What the cards of a classifier and its generator tell of where they come from."""
    return {**training.about(data), "scaled": scaled(data), "mode": data.report.mode}


def keep(training: TrainingSession, classifier: Classifier) -> None:
    """Write it into the run; the one that lies there stays if it was told facts since: training knows nothing of them."""
    run = training.run
    try:
        told = training.begun and len(load_classifier(run.path, copy.deepcopy(classifier.net).cpu()).memory)
    except SparringError:  # none yet, or a damaged one, which is written anew
        told = 0
    if told:
        training.progress.info(
            f"note: the classifier in {run.path} remembers what it was told since: it stays as it is"
        )
    else:
        classifier.save(run.path)


def averaged(system: System) -> nn.Module:
    """The averaged classifier."""
    nets: Any = system.ema.net
    net: nn.Module = nets["classifier"]
    return net


def check_labels(whole: Dataset) -> None:
    """Raise UsageError where the images have vectors in place of labels."""
    if whole.vectors is not None:
        raise UsageError("the labels of these images are vectors of numbers: a classifier needs classes")


def never_answered(data: Dataset) -> list[str]:
    """A note on each class without a labelled image; raises UsageError where there is one class alone."""
    classes = data.spec.classes
    if len(classes) < 2:
        raise UsageError(f"the labels name only one class ('{classes[0]}'): a classifier tells two or more apart")
    counts = zip(classes, data.class_counts, strict=True)
    return [f"no labelled image is of class '{name}': it can never be answered" for name, some in counts if not some]


def _fingerprint(data: Dataset) -> str:
    """Of the labels that are told."""
    return hashlib.blake2b(
        repr((data.spec.classes, data.labels.tolist())).encode(errors="replace"), digest_size=16
    ).hexdigest()


def _check_same_labels(run: Run, data: Dataset) -> None:
    """Raise UsageError where the table of labels is another than the run was begun with."""
    if run.settings["labels"] != _fingerprint(data):
        raise UsageError(
            f"{run.path} was begun with other labels: {run.settings['asked']['labels_file']} has changed. Choose another --out"
        )


def _glance(
    net: nn.Module, held_out: Dataset, classes: tuple[str, ...], hardware: Hardware
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


def scaled(data: Dataset) -> bool:
    """True where images of other sizes or modes were brought to one: those that come later are then, too."""
    height, width, _ = data.report.shape
    return set(data.report.shapes_found) != {f"{height}x{width} {data.report.mode}"}

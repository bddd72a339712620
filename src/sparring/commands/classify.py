"""`sparring classify`: a source with few labels -> a run folder with a classifier in it, tested where that can be done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sparring.commands.reporting.classifier_report import (
    classification_of,
    doubts,
    to_text,
    untaught,
    write_classification,
)
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.calibrate import answered, calibrated, set_aside
from sparring.commands.training.classifier_session import (
    about,
    averaged,
    check_labels,
    keep,
    learn,
    never_answered,
    recipe_for,
)
from sparring.commands.training.plan import Plan
from sparring.commands.training.run_settings import TrainRequest
from sparring.commands.training.session import Nets, TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.image_shape import parse_size
from sparring.data.labels import choose_labels, read_labels
from sparring.data.loader import BatchLoader
from sparring.engine import dist
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.image_io import grid, to_uint8
from sparring.engine.loop import Callback, System
from sparring.engine.run_folder import Run
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.models.generator import GeneratorModel
from sparring.recipes import default_recipe, recipe_class, recipes_for
from sparring.recipes.classifier_recipe import ClassifierRecipe
from sparring.recipes.recipe import Recipe

__all__ = ["classify", "to_text"]

SHOWN = 64
"""Samples in a frame, of fixed noise."""


def classify(
    source: str | Path,
    recipe: Recipe | str | None = None,
    *,
    labels: int | None = None,
    labels_file: str | Path | None = None,
    minutes: float | None = None,
    images: int | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    size: str | tuple[int, int] | None = None,
    mode: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    nets: Nets | None = None,
    progress: Progress | None = None,
) -> ClassificationReport:
    """Train a classifier on SOURCE's few labels and all its other images; returns what it got right, and where it lies.

    It is told `labels` of them, as even over the classes as they allow, drawn by `seed`; or those that `labels_file` names
    (a CSV of name,label); or all that are there. Ends after about `minutes`, or `images`; an existing run at `out` goes on
    to the bit. `nets` puts networks of one's own in the recipe's place: `generator`, and a `classifier` with `features`
    and `head` (`games.semi_supervised.FeatureClassifier`). It is tested on the source's test images, or else on those whose labels it was not
    told. It is calibrated on a twentieth of the labelled ones, which are then not learnt from, or where these are few on changed
    copies of them. Raises SparringError, with the way out, on all that can go wrong.
    """
    asked = TrainRequest(
        minutes, images, seed, parse_size(size), mode, None, labels, str(labels_file) if labels_file else None
    )
    wanted = classifier_recipe(recipe)
    hardware = Hardware.find(device, precision)
    dist.check_single_process()
    training = TrainingSession.of("classify", source, asked, wanted.name, out, hardware, nets, progress or Progress())
    run, progress = training.run, training.progress
    unresolved = recipe_for(training, wanted)
    whole = training.open()
    data, notes = _told(whole, training.asked, unresolved)
    aside = set_aside(data.labels)
    if len(aside):
        notes.append(
            f"{len(aside):,} labelled images are set aside: by these its probabilities are set, not learnt from"
        )
    for note in notes:
        progress.info(f"note: {note}")
    training.check_same(recipe, data)
    chosen = unresolved.resolve(data.spec, hardware)
    feed = BatchLoader(
        data, chosen.batch_size, seed=training.seed, mirror=chosen.mirror,
        labelled=chosen.labelled_batch_size, balanced=True, among=np.delete(np.arange(len(data)), aside), device=hardware.device,
    )  # fmt: skip
    told = about(training, data)

    def events(system: System, plan: Plan) -> list[Callback]:
        return _samples(run, plan, system, chosen, data.spec, told)

    system = learn(training, chosen, feed, data, whole, events, ("classifier", "accuracy", "confident"))
    progress.info("calibrating and testing ...")
    classifier = calibrated(averaged(system), data, chosen, told, hardware, aside)
    keep(training, classifier)
    odd = [*untaught(run), *doubts(classifier, data, aside)]
    for note in odd:
        progress.info(f"note: {note}")
    found = classification_of(run, classifier, data, answered(classifier, whole, data), [*notes, *odd])
    write_classification(run, found, classifier, data)
    return found


def _told(whole: Dataset, asked: TrainRequest, recipe: ClassifierRecipe) -> tuple[Dataset, list[str]]:
    """The training images with the labels that the classifier is told, and what is odd about them."""
    classes, labels, notes = whole.spec.classes, whole.labels, list[str]()
    check_labels(whole)
    if asked.labels_file is not None:
        labels, classes, notes = read_labels(Path(asked.labels_file), whole.names, classes)
    elif not (labels >= 0).any():
        raise UsageError(
            f"{whole.report.source} has no labels: put images into one folder a class, or name some labels in a CSV of "
            "name,label (--labels-file)"
        )
    elif asked.labels is not None:
        labels = choose_labels(labels, asked.labels, classes, asked.seed or 0)
    data = whole.relabelled(labels, classes)
    never, count = never_answered(data), np.array(data.class_counts)
    notes += never if asked.labels_file is None else []
    if count.max() >= 10 * max(count.min(), 1):
        few, many = classes[int(count.argmin())], classes[int(count.argmax())]
        way_out = "; if they are as uneven among all images, add --no-balance-classes" if recipe.balance_classes else ""
        notes.append(
            f"the labels are uneven: {count.max():,} of '{many}', {count.min():,} of '{few}'. Each class is drawn as often{way_out}"
        )
    notes.insert(0, f"{count.sum():,} of {len(labels):,} training images have a label, of {len(classes)} classes")
    return data, notes


def classifier_recipe(asked: Recipe | str | None) -> ClassifierRecipe:
    """What was asked for, by name or by itself, or else the default; raises UsageError on recipes that train no classifier."""
    if isinstance(asked, ClassifierRecipe):
        return asked
    if not isinstance(asked, str | Recipe | None):
        raise UsageError(
            f"a recipe is a name ({', '.join(recipes_for('classify'))}) or a recipe with settings of its own, not {asked!r}"
        )
    name = default_recipe("classify") if asked is None else asked if isinstance(asked, str) else asked.name
    recipe: ClassifierRecipe = recipe_class(name, "classify")()
    return recipe


def _samples(
    run: Run, plan: Plan, system: System, recipe: Any, spec: ImageSpec, about: Mapping[str, Any]
) -> list[Callback]:
    """A frame of samples, and with each checkpoint the averaged generator."""
    nets: Any = system.ema.net
    model = GeneratorModel(nets["generator"], spec, recipe, metadata=about)
    z, y = model.draw_inputs(range(SHOWN), seed=0)

    def show(nimg: int, means: Mapping[str, float]) -> None:
        if "generator" in system.game.turns:
            run.save_frame(nimg, grid(to_uint8(model.generate(z, y)), 8))

    def write(nimg: int, means: Mapping[str, float]) -> None:
        model.save(run.path, nimg=nimg)

    return [Callback(plan.show_every, show), Callback(plan.save_every, write)]

"""`sparring classify`: a source with few labels -> a run folder with a classifier in it, tested where that can be done."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import torch
from torch import nn

from sparring import __version__
from sparring.commands.asked import Asked, check_same, recipe_of, settings_of
from sparring.commands.calibrate import answered, calibrated
from sparring.commands.classified import classification_of, doubts, write_classification
from sparring.commands.plan import Plan, check_memory
from sparring.commands.progress import Progress
from sparring.commands.train import Nets, Stopped, begin_at, diverging, free_name, open_training, plan_of, signals
from sparring.data.arrays import as_input
from sparring.data.dataset import Images, parse_size
from sparring.data.feed import Feed
from sparring.data.labels import choose_labels, labels_as, read_labels
from sparring.engine import dist
from sparring.engine.checkpoint import check_finite
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.loop import Due, System, play
from sparring.engine.pictures import grid, to_bytes
from sparring.engine.run import Run
from sparring.measure.classified import Classification
from sparring.recipes import DEFAULT_CLASSIFIER, classifier_class
from sparring.recipes.classifier import classifier_card
from sparring.recipes.fewlabels import ClassifierRecipe, started
from sparring.recipes.model import Model, card
from sparring.recipes.recipe import Recipe

SHOWN = 64
"""Samples in a frame, of fixed noise."""
GLANCE = 1000
"""Held-out images that are looked at while it trains: for the curve alone, nothing is chosen by it."""


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
) -> Classification:
    """Train a classifier on SOURCE's few labels and all its other images; returns what it got right, and where it lies.

    It is told `labels` of them, as even over the classes as they allow, drawn by `seed`; or those that `labels_file` names
    (a CSV of name,label); or all that are there. Ends after about `minutes`, or `images`; an existing run at `out` goes on
    to the bit. `nets` puts networks of one's own in the recipe's place: `generator`, and a `classifier` with `features`
    and `head` (`games.fewlabels.Halves`). It is tested on the source's test images, or else on those whose labels it was not
    told; calibrated on changed copies of the labelled ones. Raises SparringError, with the way out, on all that can go wrong.
    """
    asked = Asked(
        minutes, images, seed, parse_size(size), mode, None, labels, str(labels_file) if labels_file else None
    )
    say = progress or Progress()
    dist.check_alone()
    hardware = Hardware.find(device, precision)
    run = Run(out if out is not None else free_name(source, recipe, DEFAULT_CLASSIFIER))
    begun = run.exists
    asked = asked.taken_over(run) if begun else asked.filled()
    if not begun:
        run.claim()
    unresolved = _recipe(run, recipe, begun)
    whole = open_training(source, asked, say)
    data, notes = _told(whole, asked, unresolved)
    for note in notes:
        say.say(f"note: {note}")
    if begun:
        check_same(run, recipe, data, own_nets=nets is not None)
        _check_same_labels(run, data)
    chosen = unresolved.resolve(data.spec, hardware)
    memory = check_memory(chosen, data.spec, hardware) if nets is None else None
    feed = Feed(
        data, chosen.batch_size, seed=asked.seed or 0, mirror=chosen.mirror,
        labelled=chosen.labelled, balanced=True, device=hardware.device,
    )  # fmt: skip

    def build(total: int) -> System:
        return started(chosen, nets or chosen.nets, feed, total, asked.seed or 0, hardware)

    if begun:
        plan = Plan(**run.settings["plan"])
    else:
        plan = plan_of(asked, build, feed, hardware, say)
        told = settings_of(source, data, chosen, asked, plan, hardware, own_nets=nets is not None)
        run.begin({**told, "labels": _fingerprint(data)})
    say.say(plan.in_words(hardware, memory))
    system = build(plan.images)
    about = {"own_nets": nets is not None, "seed": asked.seed, "data": data.fingerprint, "sparring": __version__,
             "scaled": scaled(data), "mode": data.report.mode}  # fmt: skip
    done = _play(run, plan, system, data, feed, chosen, whole, about, hardware, say)
    if done < plan.images:
        raise Stopped(
            f"stopped at image {done:,} of {plan.images:,}; all is saved. Go on with: sparring classify {quote(str(source))} --out {quote(str(run.path))}"
        )
    say.say("calibrating and testing ...")
    both: Any = system.average.net
    classifier = calibrated(both["classifier"], data, chosen, classifier_card(chosen, **about), hardware)
    classifier.save(run.path)
    notes += doubts(classifier, data)
    found = classification_of(run, classifier, data, answered(classifier, whole, data), notes)
    write_classification(run, found, classifier, data)
    return found


def _told(whole: Images, asked: Asked, recipe: ClassifierRecipe) -> tuple[Images, list[str]]:
    """The training images with the labels that the classifier is told, and what is odd about them."""
    classes, labels, notes = whole.spec.classes, whole.labels, list[str]()
    if whole.vectors is not None:
        raise UsageError("the labels of these images are vectors of numbers: a classifier needs classes")
    if asked.labels_file is not None:
        labels, classes, notes = read_labels(Path(asked.labels_file), whole.names, classes)
    elif not (labels >= 0).any():
        raise UsageError(
            f"{whole.report.source} has no labels: put images into one folder a class, or name some labels in a CSV of "
            "name,label (--labels-file)"
        )
    elif asked.labels is not None:
        labels = choose_labels(labels, asked.labels, classes, asked.seed or 0)
    if len(classes) < 2:
        raise UsageError(f"the labels name only one class ('{classes[0]}'): a classifier tells two or more apart")
    count = np.bincount(labels[labels >= 0], minlength=len(classes))
    for name, some in zip(classes, count.tolist(), strict=True):
        if not some and asked.labels_file is None:
            notes.append(f"no labelled image is of class '{name}': it can never be answered")
    if count.max() >= 10 * max(count.min(), 1):
        few, many = classes[int(count.argmin())], classes[int(count.argmax())]
        way_out = "; if they are as uneven among all images, add --no-even" if hasattr(recipe, "even") else ""
        notes.append(
            f"the labels are uneven: {count.max():,} of '{many}', {count.min():,} of '{few}'. Each class is drawn as often{way_out}"
        )
    notes.insert(0, f"{count.sum():,} of {len(labels):,} training images have a label, of {len(classes)} classes")
    return whole.relabelled(labels, classes), notes


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


def _recipe(run: Run, asked: Recipe | str | None, begun: bool) -> ClassifierRecipe:
    if begun:
        had = recipe_of(run)
        if not isinstance(had, ClassifierRecipe):
            raise UsageError(f"{run.path} holds a generator of `sparring train` ({had.name}): choose another --out")
        return had
    return classifier_recipe(asked)


def classifier_recipe(asked: Recipe | str | None) -> ClassifierRecipe:
    """What was asked for, by name or by itself, or else the default; raises UsageError on recipes that train no classifier."""
    if isinstance(asked, ClassifierRecipe):
        return asked
    name = DEFAULT_CLASSIFIER if asked is None else asked if isinstance(asked, str) else asked.name
    return classifier_class(name)()


def _play(
    run: Run,
    plan: Plan,
    system: System,
    data: Images,
    feed: Feed,
    recipe: ClassifierRecipe,
    whole: Images,
    about: Mapping[str, Any],
    hardware: Hardware,
    say: Progress,
) -> int:
    """Play from the latest checkpoint to the end of the plan, or until a signal; returns the images played."""
    start = begin_at(run, system, recipe, len(data), say)
    both: Any = system.average.net
    model = Model(both["generator"], data.spec, recipe.latents, False, ())
    told = card(recipe, data.spec, (), **about)
    due = _events(run, plan, system, model, both["classifier"], data, whole, told, hardware, say)
    say.begin("training", plan.images, start)
    try:
        with signals() as stop, diverging(system, run):
            done = play(system, feed, total=plan.images, start=start, seed=int(about["seed"]), hardware=hardware,
                        due=due, until=lambda: bool(stop))  # fmt: skip
    finally:
        say.end()
    run.film()
    return done


def _events(
    run: Run, plan: Plan, system: System, model: Model, net: nn.Module, data: Images, whole: Images, told: Mapping[str, Any],
    hardware: Hardware, say: Progress,
) -> list[Due]:  # fmt: skip
    """What is due when: a line of metrics, a frame of samples, then a glance at held-out images and a checkpoint."""
    z, y = model.latents_of(range(SHOWN), seed=0)
    glance = _glance(net, whole.split("test"), data.spec.classes, hardware)
    begin, before = time.monotonic(), max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0)

    def log(nimg: int, means: Mapping[str, float]) -> None:
        if means:
            run.log(nimg, means)
            say.at(nimg, {name: means[name] for name in ("classifier", "right", "sure") if name in means})

    def show(nimg: int, means: Mapping[str, float]) -> None:
        if "generator" in system.game.turns:
            run.show(nimg, grid(to_bytes(model.generate(z, y)), 8))

    def save(nimg: int, means: Mapping[str, float]) -> None:
        check_finite(system.game.players.items(), nimg)
        if not any(line["nimg"] == nimg and "minutes" in line for line in run.metrics()):  # a finished run's last
            run.log(nimg, {**glance(), "minutes": round(before + (time.monotonic() - begin) / 60, 3)})
        run.write_model(model.generator.state_dict(), {**told, "nimg": nimg})
        run.save(system, nimg)

    return [Due(plan.log_every, log), Due(plan.show_every, show), Due(plan.save_every, save)]


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

"""`sparring harden`: a source with labels -> a run folder with a classifier that was trained against attacks, and attacked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.attacks.threat_for import default_eps
from sparring.commands.reporting.classifier_report import classification_of
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import page_of_run
from sparring.commands.training.calibrate import answered, calibrated
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
from sparring.commands.training.run_settings import TrainRequest, saved_recipe
from sparring.commands.training.session import Nets, TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.image_shape import parse_size
from sparring.data.loader import BatchLoader
from sparring.engine import dist
from sparring.engine.atomic_io import write
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.image_io import grid, to_uint8
from sparring.engine.loop import Callback, System
from sparring.engine.run_folder import Run
from sparring.games.overfitting_guard import OverfittingGuard
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.classifier.robustness import ATTACK, HardeningReport, robustness
from sparring.nets.feature_head import split_or_wrap
from sparring.recipes import default_recipe, recipe_class
from sparring.recipes.adversarial.base import AdversarialRecipe, max_eps, pixel_threat
from sparring.report.blocks import Picture
from sparring.report.classifier_section import classified_sections
from sparring.report.hardening_section import robust_sections
from sparring.report.page import page_html
from sparring.stats.proportion import Proportion

HELD = 200
"""Training images that the guard looks at."""
LOOKS, APART = 30, 20_000
"""Times that it looks in a run, at most one in so many images: a look costs about as much as 1,000 images of `fast`."""
ATTACKED = 1000
"""Images that are attacked in the end."""
SHOWN = 12


def harden(
    source: str | Path,
    method: AdversarialRecipe | str | None = None,
    *,
    eps: float | None = None,
    norm: str | None = None,
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
) -> HardeningReport:
    """Train a classifier on SOURCE's labels to withstand changes of up to `eps` (of pixels from 0 to 1, by `norm`).

    `method` is the name of a recipe of this command, or its recipe with settings of one's own; `eps` and `norm` go before
    these. Ends after about `minutes`, or `images`; an existing run at `out` goes on to the bit. `nets` puts a network of
    one's own in the recipe's place: `lambda spec: {"classifier": net}`, any module that gives logits. It is tested on all test
    images, and attacked on the first 1,000. Raises SparringError, with the way out, on all that can go wrong.
    """
    asked = TrainRequest(minutes, images, seed, parse_size(size), mode)
    wanted = _wanted(method, out, {"eps": eps, "norm": norm})
    hardware = Hardware.find(device, precision)
    dist.check_single_process()
    training = TrainingSession.of("harden", source, asked, wanted.name, out, hardware, nets, progress or Progress())
    run, progress = training.run, training.progress
    data = training.open()
    known, notes = _known(data)
    for note in notes:
        progress.info(f"note: {note}")
    chosen = recipe_for(training, wanted)
    assert isinstance(chosen, AdversarialRecipe)
    training.check_same(wanted, data)
    recipe = chosen.resolve(data.spec, hardware)
    feed = BatchLoader(
        data, recipe.batch_size, seed=training.seed, mirror=recipe.mirror, replays=recipe.replays, among=known,
        device=hardware.device,
    )  # fmt: skip

    def events(system: System, plan: Plan) -> list[Callback]:
        return _guarded(run, plan, system, _images(data, _some(known, HELD), hardware), progress)

    system = learn(training, recipe, feed, data, data, events, ("classifier", "accuracy", "robust"))
    progress.info("calibrating and testing ...")
    x = torch.zeros(2, *data.spec.shape, device=hardware.device)
    net = split_or_wrap(averaged(system).eval(), x, len(data.spec.classes))
    classifier = calibrated(net, data, recipe, about(training, data), hardware)
    keep(training, classifier)
    clean = replace(
        classification_of(run, classifier, data, answered(classifier, data, data, under=()), notes), to_label=""
    )
    return _attacked(run, net, recipe, data, known, clean, hardware, progress)


def _wanted(
    method: AdversarialRecipe | str | None, out: str | Path | None, given: Mapping[str, float | str | None]
) -> AdversarialRecipe:
    """The recipe that is asked for: by name that of the run at `out`, if it has this name; with what is given in its place."""
    base = method
    if not isinstance(base, AdversarialRecipe):
        saved = saved_recipe(out)
        same = isinstance(saved, AdversarialRecipe) and base in (None, saved.name)
        base = (
            saved
            if same and isinstance(saved, AdversarialRecipe)
            else recipe_class(base or default_recipe("harden"), "harden")()
        )
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(base, **changes)


def _known(data: Dataset) -> tuple[NDArray[np.int64], list[str]]:
    """The rows that have a label, and what is odd about them."""
    check_labels(data)
    rows = np.flatnonzero(data.labels >= 0)
    if not len(rows):
        raise UsageError(f"{data.report.source} has no labels: put images into one folder a class")
    notes = never_answered(data)
    if len(rows) < len(data):
        notes.insert(0, f"{len(rows):,} of {len(data):,} training images have a label: it trains on these alone")
    return rows, notes


def _guarded(run: Run, plan: Plan, system: System, held: tuple[Tensor, Tensor], progress: Progress) -> list[Callback]:
    """The guard's looks, where there is one: logged, and a rollback told."""
    guard = system.game.players.get("guard")
    if not isinstance(guard, OverfittingGuard):
        return []
    guard.set_images(*held)
    every = max(plan.images // LOOKS, APART) // plan.batch_size * plan.batch_size or plan.batch_size

    def look(nimg: int, means: Mapping[str, float]) -> None:
        if nimg % every and nimg != plan.images:
            return  # someone stops the run: a look now would make another run of it
        robust, back = guard.check(system)
        run.log(nimg, {"guarded": robust, **({"rollback": 1} if back else {})})
        if back:
            progress.info(
                f"image {nimg:,}: accuracy under PGD fell to {robust:.0%} from {guard.best_accuracy:.0%} (catastrophic overfitting): "
                "back to the best weights, with one step more in the attack"
            )

    return [Callback(every, look)]


def _attacked(
    run: Run, net: nn.Module, recipe: AdversarialRecipe, data: Dataset, known: NDArray[np.int64], clean: ClassificationReport,
    hardware: Hardware, progress: Progress,
) -> HardeningReport:  # fmt: skip
    """The network under attack, on test images or else training ones; written to hardening.json and report.html."""
    test, on = data.split("test"), "test images"
    rows = np.flatnonzero(test.labels >= 0)[:ATTACKED]
    notes = list(clean.notes)
    if not len(rows):
        test, rows, on = data, known[:ATTACKED], "training images"
        notes.append("there are no test images with labels: it was attacked on training images, of which it knows more")
    x, y = _images(test, rows, hardware)
    eps = recipe.eps or default_eps(recipe.norm, data.spec)
    threat, most = partial(pixel_threat, recipe.norm), max_eps(recipe.norm, data.spec)
    stand = robustness(net, x, y, threat, eps, most, progress.callback("attacking"))
    found = HardeningReport(
        run=str(run.path), method=recipe.name, norm=recipe.norm, eps=recipe.eps or 0.0, minutes=clean.minutes, seed=clean.seed,
        clean=clean, robust=stand.robust, curve=stand.levels, attack=ATTACK,
        tested_on=on, rollbacks=[int(line["nimg"]) for line in run.metrics() if line.get("rollback")], notes=notes,
    )  # fmt: skip
    write(run.path / "hardening.json", json.dumps(asdict(found), indent=2) + "\n")
    some = stand.fooled[:SHOWN].cpu().numpy()
    both = np.concatenate([test[rows[some]], to_uint8(stand.adv[:SHOWN])])
    fooled = Picture(grid(both, len(some))) if len(some) else None
    sections = [*robust_sections(found, fooled), *classified_sections(clean)]
    write(run.report_path, page_html(page_of_run(run, [], sections=sections)))
    return found


def to_text(found: HardeningReport) -> str:
    """The lines that are printed."""
    clean, robust = found.clean, found.robust
    lines = [f"run      {found.run}"]
    if clean.errors is not None:
        lines.append(f"clean    {_told(clean.errors.complement)} {clean.tested_on}")
    lines.append(f"robust   {_told(robust.accuracy)} {found.tested_on}, {found.norm} {robust.eps:g}: {found.attack}")
    if found.rollbacks:
        lines.append(f"guard    went back to better weights {_times(len(found.rollbacks))}")
    lines += [f"report   {found.run}/report.html", f"answers  sparring predict {found.run} IMAGES"]
    return "\n".join(lines)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _told(level: Proportion) -> str:
    share = f"{level.value:.2%} (95 % interval {level.low:.2%} to {level.high:.2%})"
    return f"{share}, {level.hits:,} of {level.total:,}"


def _some(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])


def _images(data: Dataset, rows: NDArray[np.int64], hardware: Hardware) -> tuple[Tensor, Tensor]:
    """Images `[N, C, H, W]` in [-1, 1] and their labels `[N]`."""
    x = torch.from_numpy(data[rows]).to(hardware.device).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x, torch.from_numpy(data.labels[rows]).to(hardware.device)

"""`sparring classify --protect`: train candidates that treat groups alike, and choose one on validation examples."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from sparring.commands.fairness.candidates import base_recipe, candidates_for
from sparring.commands.fairness.group_rules import group_column, with_thresholds
from sparring.commands.fairness.measured import group_rules, measured_candidates
from sparring.commands.fairness.page import write_page
from sparring.commands.fairness.protected_data import ProtectedData, check_comparable, protect
from sparring.commands.fairness.result import COLUMNS, Candidate, FairClassification
from sparring.commands.reporting.classifier_report import report_of
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.calibrate import run_test
from sparring.commands.training.interrupt import Stopped
from sparring.commands.training.labels import LabelledTraining
from sparring.commands.training.request import TrainRequest
from sparring.commands.training.session import DEFAULT_MINUTES, new_run_folder
from sparring.commands.training.train_classifier import train_classifier
from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import CANDIDATES, Run
from sparring.measure.fairness.fronts import choose, front, smallest_gap
from sparring.measure.fairness.gaps import FairnessResult
from sparring.models.classifier import Classifier, load_classifier
from sparring.recipes import FAIR_BASELINE
from sparring.recipes.features.fair_base import FairRecipe

GAP = 0.03
"""Largest gap of the chosen candidate, by default."""
SETTINGS = "fairness"
"""Entry of run.json that holds what was protected and which candidate was chosen."""
TRAINED_FRACTION = 0.9
"""Fraction of the minutes for training; the rest is for calibration and measurement."""


def classify_fairly(
    request: TrainRequest, notion: str | None, gap: float | None, progress: Progress | None
) -> FairClassification:
    """Train the candidates, choose the most accurate one of a small gap, and save it in the run folder.

    Raises UsageError where the column cannot be protected, SparringError where no candidate's gap is small enough, and
    Stopped after a signal; all is saved then.
    """
    progress, limit = progress or Progress(), GAP if gap is None else gap
    if not 0 <= limit <= 1:
        raise UsageError(f"--gap must be from 0 to 1, not {limit}: 0.03 is 3 points")
    if request.labels is not None or request.labels_file is not None:
        raise UsageError("--labels and --labels-file are not for --protect: give a source whose examples are labelled")
    base = base_recipe(request.recipe, notion)
    protected = str(request.read.protect or request.read.protect_from)
    source = open_source(request.source, request.read, on_progress=progress.callback("reading"))
    data = protect(_checked(source, request), protected)
    check_comparable(data, base.notion)
    folder = _folder(request, protected)
    recipes = candidates_for(base, len(source.spec.classes))
    progress.info(f"{len(recipes)} candidates are trained and compared; the {base.notion} gap may be up to {limit:g}")
    for note in data.notes:
        progress.info(f"note: {note}")
    trained = _train_all(request, recipes, data, folder, progress)
    if request.read.see_protected:
        trained |= _thresholds(trained[FAIR_BASELINE], data, base.notion, folder, Hardware.find(request.device))
    candidates = measured_candidates(trained, data, folder, base.notion)
    return _conclude(candidates, trained, data, folder, base.notion, limit, protected, progress)


def is_fair_run(path: str | Path | None) -> bool:
    """Return whether there is a finished run of --protect."""
    return path is not None and Run(path).exists and SETTINGS in Run(path).settings


def _checked(source: Dataset, request: TrainRequest) -> Dataset:
    """Return the source; raise UsageError where its labels are no classes, or no examples are left to test on."""
    if source.vectors is not None:
        raise UsageError(f"the labels of {request.source} are numbers: groups are compared by classes, so bin them")
    if len(source.spec.classes) < 2:
        way = "name the column of the class (--label COLUMN)" if source.spec.kind == "table" else "give labels"
        raise UsageError(f"{request.source} has no classes to learn: {way}")
    if not len(source.split("test")):
        raise UsageError(f"{request.source} has no test {source.report.unit}: add a test split to measure gaps on")
    return source


def _folder(request: TrainRequest, protected: str) -> Path:
    """Return the run folder; raise UsageError where it holds something else."""
    if request.out is None:
        return new_run_folder(request.source, "fair")
    folder = Path(request.out)
    if Run(folder).exists and not is_fair_run(folder):
        raise UsageError(f"{folder} is a run without --protect: choose another --out")
    if not (folder / CANDIDATES).is_dir():
        Run(folder).check_writable()
    return folder


def _train_all(
    request: TrainRequest, recipes: Mapping[str, FairRecipe], data: ProtectedData, folder: Path, progress: Progress
) -> dict[str, Classifier]:
    """Train each candidate in a run folder, or load it where an earlier call trained it."""
    minutes = request.minutes if request.minutes is not None else DEFAULT_MINUTES
    each_minutes = None if request.images else minutes * TRAINED_FRACTION / len(recipes)
    for number, (name, recipe) in enumerate(recipes.items()):
        out = folder / CANDIDATES / name
        progress.info(f"candidate {number + 1} of {len(recipes)}: {name}")
        each = replace(request, recipe=recipe, out=out, minutes=each_minutes)  # type: ignore[arg-type]  # not resolved
        try:
            training = LabelledTraining.start("classify", each, Progress(quiet=True), lambda *_: [], data.narrow)
            train_classifier(training)
        except Stopped as stop:
            raise Stopped(
                f"stopped at candidate {name}; all is saved. The same command with --out {folder} goes on"
            ) from stop
    return {name: load_classifier(folder / CANDIDATES / name) for name in recipes}


def _thresholds(
    plain: Classifier, data: ProtectedData, notion: str, folder: Path, hardware: Hardware
) -> dict[str, Classifier]:
    """Return the plain classifier with a threshold for each group, by name, and save it; odds have none."""
    column = group_column(plain.spec)
    if column is None or notion == "odds" or len(plain.spec.classes) != 2:
        return {}
    classifier = with_thresholds(plain, group_rules(plain, data, notion), column, data, hardware)
    classifier.save(folder / CANDIDATES / "thresholds")
    return {"thresholds": classifier}


def _too_noisy(plain: FairnessResult, notion: str, limit: float) -> list[str]:
    """Return a note where the validation examples are too few to measure a gap as small as the limit."""
    gap = plain.gap(notion)
    half = (gap.high - gap.low) / 2
    if math.isnan(half) or half <= limit:
        return []
    return [
        f"{plain.rows:,} validation examples measure the {notion} gap to about {100 * half:.1f} points, the limit is "
        f"{100 * limit:g}: which candidates are below it is partly chance. More examples narrow this"
    ]


def _front(candidates: Sequence[Candidate], notion: str) -> list[str]:
    """Return the candidates that no other one beats on validation examples; those of unknown gap are left out."""
    points = {c.name: (c.validation.gap(notion).value, c.validation.accuracy.value) for c in candidates}
    return front({name: point for name, point in points.items() if not math.isnan(point[0])})


def _conclude(
    candidates: list[Candidate],
    trained: Mapping[str, Classifier],
    data: ProtectedData,
    folder: Path,
    notion: str,
    limit: float,
    protected: str,
    progress: Progress,
) -> FairClassification:
    """Choose, save the chosen classifier in the run folder, test it, and write choice.json and report.html."""
    validation = {c.name: c.validation for c in candidates}
    eligible = {c.name: c.validation for c in candidates if not c.veto}
    if not eligible:
        raise SparringError(
            f"no candidate is better than one answer for all. Give more --minutes, or see "
            f"`sparring doctor {folder / 'candidates' / 'plain'}`"
        )
    selected = choose(eligible, notion, limit)
    about = selected or smallest_gap(eligible, notion)
    run = Run(folder / CANDIDATES / about)
    classifier, narrowed = trained[about], data.narrow(data.train)
    tested = run_test(classifier, data.train, data.train, progress)
    noise = _too_noisy(validation[FAIR_BASELINE], notion, limit)
    for note in noise:
        progress.info(f"note: {note}")
    plain = report_of(run, classifier, narrowed, tested, [*data.notes, *noise])
    idx = np.flatnonzero(data.test_labels >= 0)
    constant = float(np.bincount(data.test_labels[idx]).max() / len(idx))
    fields = {**{name: getattr(plain, name) for name in plain.__dataclass_fields__}, "run": str(folder), "to_label": ""}
    report = FairClassification(
        **fields, protect=protected, notion=notion, limit=limit, groups=data.counts(), candidates=candidates,
        selected=selected or "", fronts={name: _front(candidates, name) for name in COLUMNS}, constant=constant,
    )  # fmt: skip
    Run(folder).write_json("choice", asdict(report))
    write_page(report)
    if selected is None:
        gap = validation[about].gap(notion).value
        raise SparringError(
            f"no candidate has a {notion} gap of {limit:g} or less on validation examples: the smallest is {gap:.3f} "
            f"({about}, accuracy {validation[about].accuracy.value:.3f}), and none is saved in {folder}. Give --gap "
            f"{np.ceil(gap * 100) / 100:g}, or more --minutes; all candidates are in {folder / 'choice.json'}"
        )
    for suffix in ("json", "safetensors"):
        shutil.copyfile(run.path / f"classifier.{suffix}", folder / f"classifier.{suffix}")
    trained_run = run if run.exists else Run(folder / CANDIDATES / FAIR_BASELINE)  # thresholds are not trained
    shutil.copyfile(trained_run.path / "metrics.jsonl", folder / "metrics.jsonl")
    summary = {"protect": protected, "notion": notion, "gap": limit, "selected": selected, "candidates": list(trained)}
    Run(folder).write_settings({**trained_run.settings, SETTINGS: summary})
    return report

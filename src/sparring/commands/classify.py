"""`sparring classify`: train a classifier, from few labels or many; calibrate and test it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sparring.commands.adapting.adapt import adapt, is_adaptation
from sparring.commands.adapting.candidates import check_target
from sparring.commands.fairness.classify_fairly import classify_fairly, is_fair_run
from sparring.commands.fairness.result import FairClassification, fair_text
from sparring.commands.private.classify import classify_privately, is_private_classification
from sparring.commands.reporting import classifier_report
from sparring.commands.reporting.classifier_report import (
    doubtful_labels,
    report_of,
    unconfident_teacher,
    write_classification,
)
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.calibrate import calibration_subset, run_test
from sparring.commands.training.labels import LabelledTraining, uneven_classes
from sparring.commands.training.request import Nets, TrainRequest
from sparring.commands.training.train_classifier import calibrate_and_save, play_classifier
from sparring.commands.training.tree_choice import network_or_trees
from sparring.data.dataset import Dataset
from sparring.data.read_keywords import ReadKeywords, read_options
from sparring.engine.errors import UsageError
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.domains.adaptation_report import AdaptationReport
from sparring.recipes.classifier_recipe import ClassifierRecipe
from sparring.recipes.recipe import Recipe
from sparring.report.adaptation_section import adaptation_text

__all__ = ["classify", "to_text"]


def classify(
    source: str | Path,
    recipe: Recipe | str | None = None,
    *,
    protect: str | None = None,
    protect_from: str | None = None,
    see_protected: bool = False,
    notion: str | None = None,
    gap: float | None = None,
    labels: int | None = None,
    labels_file: str | Path | None = None,
    adapt_to: str | Path | None = None,
    target_labels: str | Path | None = None,
    private: float | None = None,
    delta: float | None = None,
    minutes: float | None = None,
    images: int | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    nets: Nets | None = None,
    progress: Progress | None = None,
    **read: Unpack[ReadKeywords],
) -> ClassificationReport:
    """Train a classifier on the labelled and unlabelled examples of `source`, calibrate it and test it.

    It is calibrated on a twentieth of the labels, held out of training, or on changed copies where labels are few. On
    tables boosted trees are grown beside the network, and answer in its place where these labels show them better. It
    is tested on the test split, or else on the examples whose labels were hidden.

    The arguments are the fields of `TrainRequest`; `read` holds fields of `ReadOptions`. `nets` gives the recipe's
    players, among them `classifier`, with `features` and `head` (`games.semi_supervised.FeatureClassifier`).
    `progress` receives messages; by default they go to stderr. Three groups of arguments exclude each other:

    - `protect` or `protect_from`: one of several classifiers that treat groups alike by `notion` (parity, odds or
      opportunity), the most accurate one of a gap up to `gap`. Returns a `FairClassification`.
    - `adapt_to`, unlabelled data of another domain: one of several recipes trained on both, chosen without target
      labels. Returns an `AdaptationReport`; `target_labels` serve its regret alone.
    - `private`, an epsilon: weights that are (epsilon, `delta`)-differentially private in the training rows.

    Raises:
        UsageError: There are no labels or only one class, or settings differ from those of the run at `out`.
        SparringError: The data cannot be used, memory is too small, or a loss diverges (Diverged).
        Stopped: a stop signal came; all is saved.

    """
    request = TrainRequest(
        source=source, recipe=recipe, labels=labels, labels_file=labels_file, minutes=minutes, images=images, out=out,
        seed=seed, device=device, precision=precision, nets=nets, adapt_to=adapt_to,
        read=replace(read_options(read), protect=protect, protect_from=protect_from, see_protected=see_protected),
    )  # fmt: skip
    if private is not None or is_private_classification(request):
        _refuse_beside_private(adapt_to=adapt_to, protect=protect, protect_from=protect_from, notion=notion, gap=gap)
        return classify_privately(request, private, delta, progress)
    adaptation, fair = is_adaptation(request), protect is not None or protect_from is not None
    if is_fair_run(out) and not fair:
        raise UsageError(f"{out} was begun with --protect: repeat that command as it was, or choose another --out")
    _check_combination(request, adaptation, fair, delta, target_labels, notion, gap)
    if adaptation:
        return adapt(request, target_labels, progress)
    return classify_fairly(request, notion, gap, progress) if fair else _classify(request, progress)


def _classify(request: TrainRequest, progress: Progress | None) -> ClassificationReport:
    """Train, calibrate and test one classifier."""
    training = LabelledTraining.start("classify", request, progress, _remarks)
    net, calibration_idx = play_classifier(training)
    with training.session.after_training("calibration and test"):
        return _test(training, net, calibration_idx)


def _refuse_beside_private(**given: object) -> None:
    """Raise UsageError where options are given that choose among candidates, or read groups, of private rows."""
    if names := [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]:
        raise UsageError(
            f"--private and {names[0]} exclude each other, as both read the private rows: give one of them"
        )


def _check_combination(
    request: TrainRequest,
    adaptation: bool,
    fair: bool,
    delta: float | None,
    target_labels: str | Path | None,
    notion: str | None,
    gap: float | None,
) -> None:
    """Raise UsageError where an option belongs to another way of training than the requested one."""
    if delta is not None:
        raise UsageError("--delta is for --private EPSILON: leave it out")
    if adaptation and fair:
        raise UsageError("--protect and --adapt-to exclude each other: give one of them")
    if adaptation:
        return
    if target_labels is not None:
        raise UsageError("--target-labels is for --adapt-to TARGET: leave it out")
    check_target(request.recipe)
    if not fair and (request.read.see_protected or notion is not None or gap is not None):
        raise UsageError("--see-protected, --notion and --gap belong to --protect COLUMN: name the column")


def _test(training: LabelledTraining, net: nn.Module, calibration_idx: NDArray[np.int64]) -> ClassificationReport:
    """Compare the network with boosted trees, calibrate, save and test the better one, and write the report."""
    session, data = training.session, training.data
    net, trees = network_or_trees(training, net, calibration_idx)
    classifier = calibrate_and_save(training, net, calibration_idx)
    test = run_test(classifier, training.source, data, session.progress)
    problems = [*unconfident_teacher(session.run), *doubtful_labels(classifier, data, calibration_idx, test)]
    session.notes(problems)
    report = report_of(session.run, classifier, data, test, [*training.notes, *problems])
    report = replace(report, trees=trees)
    write_classification(session.run, report, classifier, data)
    return report


def _remarks(data: Dataset, recipe: ClassifierRecipe) -> list[str]:
    """Return notes on uneven classes, and on the labels that are set aside."""
    count = len(calibration_subset(data.labels))
    aside = [f"{count:,} labels are set aside for calibration: training does not see them"] if count else []
    return [*uneven_classes(data, recipe), *aside]


def to_text(report: ClassificationReport) -> str:
    """Return the lines that the command prints."""
    if isinstance(report, FairClassification):
        return fair_text(report)
    return adaptation_text(report) if isinstance(report, AdaptationReport) else classifier_report.to_text(report)

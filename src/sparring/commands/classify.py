"""`sparring classify`: train a classifier, from few labels or many; calibrate and test it."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sparring.commands.adapting.adapt import adapt, is_adaptation
from sparring.commands.adapting.candidates import check_target
from sparring.commands.reporting import classifier_report
from sparring.commands.reporting.classifier_report import (
    doubtful_labels,
    report_of,
    unconfident_teacher,
    write_classification,
)
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.calibrate import calibrated, calibration_subset, run_test, save_classifier
from sparring.commands.training.callbacks import averaged, classifier_checkpoint, log_metrics, sample_callbacks
from sparring.commands.training.labels import LabelledTraining, classifier_loader, labels_digest, uneven_classes
from sparring.commands.training.plan import Plan, PostTraining
from sparring.commands.training.post_training import after_classify
from sparring.commands.training.request import Nets, TrainRequest
from sparring.data.dataset import Dataset
from sparring.data.read_keywords import ReadKeywords, read_options
from sparring.engine.errors import UsageError
from sparring.engine.loop import Callback, System
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
    labels: int | None = None,
    labels_file: str | Path | None = None,
    adapt_to: str | Path | None = None,
    target_labels: str | Path | None = None,
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

    It is calibrated on a twentieth of the labels, which training does not see, or where labels are few on changed
    copies of the labelled examples. It is tested on the test split, or else on the examples whose labels were hidden.

    The arguments are the fields of `TrainRequest`; `read` holds fields of `ReadOptions`, such as `label`, the column of
    the class in a table. `nets` gives the recipe's players, among them `classifier`, with `features` and `head`
    (`games.semi_supervised.FeatureClassifier`). `progress` receives messages; by default they go to stderr.

    With `adapt_to`, unlabelled data of another domain, several recipes are trained on both, and one is chosen without
    target labels; the report is an `AdaptationReport`. `target_labels` are used after the choice alone, for its regret:
    a CSV of name,label, or the target itself where it has labels.

    Raises:
        UsageError: There are no labels or only one class, or settings differ from those of the run at `out`.
        SparringError: The data cannot be used, memory is too small, or a loss diverges (Diverged).
        Stopped: SIGINT or SIGTERM came; all is saved.

    """
    request = TrainRequest(
        source=source, recipe=recipe, labels=labels, labels_file=labels_file, minutes=minutes, images=images, out=out,
        seed=seed, device=device, precision=precision, nets=nets, adapt_to=adapt_to, read=read_options(read),
    )  # fmt: skip
    if is_adaptation(request):
        return adapt(request, target_labels, progress)
    if target_labels is not None:
        raise UsageError("--target-labels is for --adapt-to TARGET: leave it out")
    check_target(recipe)
    training = LabelledTraining.start("classify", request, progress, _remarks)
    session, data = training.session, training.data
    resolved: ClassifierRecipe = session.settings.recipe
    calibration_idx = calibration_subset(data.labels)
    loader = classifier_loader(data, resolved, session.settings.seed, session.hardware, calibration_idx)
    metadata = session.metadata(data)

    def callbacks(system: System, plan: Plan) -> list[Callback]:
        return [
            log_metrics(session, plan, ("classifier", "accuracy", "confident")),
            *sample_callbacks(session, plan, system, data, metadata),
            classifier_checkpoint(session, plan, system, data, training.source),
        ]

    def then(system: System) -> PostTraining:
        return after_classify(averaged(system), training.source, resolved, session.hardware)

    system = session.play(data, loader, callbacks, then, labels=labels_digest(data))
    with session.after_training("calibration and test"):
        return _test(training, averaged(system), calibration_idx)


def _test(training: LabelledTraining, net: nn.Module, calibration_idx: NDArray[np.int64]) -> ClassificationReport:
    """Calibrate and save the classifier, test it and write the report."""
    session, data = training.session, training.data
    classifier = calibrated(
        net, data, session.settings.recipe, session.metadata(data), session.hardware, calibration_idx, session.progress
    )
    save_classifier(session, classifier)
    test = run_test(classifier, training.source, data, session.progress)
    problems = [*unconfident_teacher(session.run), *doubtful_labels(classifier, data, calibration_idx, test)]
    session.notes(problems)
    report = report_of(session.run, classifier, data, test, [*training.notes, *problems])
    write_classification(session.run, report, classifier, data)
    return report


def _remarks(data: Dataset, recipe: ClassifierRecipe) -> list[str]:
    """Return notes on uneven classes, and on the labels that are set aside."""
    count = len(calibration_subset(data.labels))
    aside = [f"{count:,} labels are set aside for calibration: training does not see them"] if count else []
    return [*uneven_classes(data, recipe), *aside]


def to_text(report: ClassificationReport) -> str:
    """Return the lines that the command prints."""
    return adaptation_text(report) if isinstance(report, AdaptationReport) else classifier_report.to_text(report)

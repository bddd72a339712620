"""`sparring classify`: train a classifier, from few labels or many; calibrate and test it."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import numpy as np

from sparring.commands.reporting.classifier_report import (
    doubtful_labels,
    report_of,
    to_text,
    unconfident_teacher,
    write_classification,
)
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.calibrate import calibrated, calibration_subset, run_test, save_classifier
from sparring.commands.training.callbacks import averaged, classifier_checkpoint, log_metrics, sample_callbacks
from sparring.commands.training.labels import check_same_labels, labels_digest, select_labels, uneven_classes
from sparring.commands.training.plan import Plan
from sparring.commands.training.request import Nets, ReadKeywords, TrainRequest, read_options
from sparring.commands.training.session import TrainingSession
from sparring.data.loader import BatchLoader
from sparring.engine import dist
from sparring.engine.loop import Callback, System
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.recipes.classifier_recipe import ClassifierRecipe
from sparring.recipes.recipe import Recipe

__all__ = ["classify", "to_text"]


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
    device: str = "auto",
    precision: str = "auto",
    nets: Nets | None = None,
    progress: Progress | None = None,
    **read: Unpack[ReadKeywords],
) -> ClassificationReport:
    """Train a classifier on the labelled and unlabelled examples of `source`, calibrate it and test it.

    It is calibrated on a twentieth of the labels, which training does not see, or where labels are few on changed
    copies of the labelled examples. It is tested on the test split, or else on the examples whose labels were hidden.

    Args:
        source: A folder, an archive, a file, a URL or a known name.
        recipe: A recipe or its name; None: the default for the kind of data.
        labels: Number of labels that training sees, balanced over classes where possible; None: all.
        labels_file: CSV file of name,label with the only labels that training sees.
        minutes: Training time, 10 by default; a probe of the speed turns it into a number of examples.
        images: Number of training examples to draw, instead of `minutes`.
        out: Run folder. An existing run is continued, bit for bit.
        seed: Random seed, 0 by default.
        device: auto, cpu, cuda or mps.
        precision: auto, bf16 or fp32.
        nets: Custom networks: the data's spec -> the recipe's players, among them `classifier`, with `features` and
            `head` (`games.semi_supervised.FeatureClassifier`).
        progress: Receiver of messages; by default they go to stderr.
        read: How `source` is read, such as `label`, the column of the class in a table: fields of `ReadOptions`.

    Raises:
        UsageError: There are no labels or only one class, or settings differ from those of the run at `out`.
        SparringError: The data cannot be used, memory is too small, or a loss diverges (Diverged).
        Stopped: SIGINT or SIGTERM came; all is saved.

    """
    request = TrainRequest(
        source=source, recipe=recipe, labels=labels, labels_file=labels_file, minutes=minutes, images=images, out=out,
        seed=seed, device=device, precision=precision, nets=nets, read=read_options(read),
    )  # fmt: skip
    dist.check_single_process()
    session = TrainingSession.start("classify", request, progress)
    opened = session.open_data()
    data, notes = select_labels(opened, session.settings)
    notes += uneven_classes(data, session.settings.recipe)
    calibration_idx = calibration_subset(data.labels)
    if len(calibration_idx):
        notes.append(f"{len(calibration_idx):,} labels are set aside for calibration: training does not see them")
    session.notes(notes)
    if session.resumed:
        check_same_labels(session.run, data)
    session = session.resolve(data)
    resolved: ClassifierRecipe = session.settings.recipe
    candidates = np.arange(len(data)) if resolved.labelled_batch_size else np.flatnonzero(data.labels >= 0)
    loader = BatchLoader(
        data, resolved.batch_size, seed=session.settings.seed, mirror=resolved.mirror, device=session.hardware.device,
        labelled=resolved.labelled_batch_size, balanced=True, among=np.setdiff1d(candidates, calibration_idx),
    )  # fmt: skip
    metadata = session.metadata(data)

    def callbacks(system: System, plan: Plan) -> list[Callback]:
        return [
            log_metrics(session, plan, ("classifier", "accuracy", "confident")),
            *sample_callbacks(session, plan, system, data, metadata),
            classifier_checkpoint(session, plan, system, data, opened),
        ]

    system = session.play(data, loader, callbacks, labels=labels_digest(data))
    session.progress.info("calibrating and testing ...")
    classifier = calibrated(averaged(system), data, resolved, metadata, session.hardware, calibration_idx)
    save_classifier(session, classifier)
    problems = [*unconfident_teacher(session.run), *doubtful_labels(classifier, data, calibration_idx)]
    session.notes(problems)
    report = report_of(session.run, classifier, data, run_test(classifier, opened, data), [*notes, *problems])
    write_classification(session.run, report, classifier, data)
    return report

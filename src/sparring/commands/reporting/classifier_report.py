"""Report of a trained classifier: its test, examples to label next, and labels that look wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.commands.reporting.run_report import write_run
from sparring.commands.training.calibrate import TestResult
from sparring.data.dataset import Dataset
from sparring.engine.atomic_io import write
from sparring.engine.image_io import save_png
from sparring.engine.run_folder import Run
from sparring.measure.classifier.active_learning import in_turn, unlike
from sparring.measure.classifier.calibration import (
    UNTESTED,
    ClassificationReport,
    calibration_error,
    confusion,
    reliability,
)
from sparring.models.answers import Answers
from sparring.models.classifier import Classifier, chunks_of
from sparring.report.blocks import Picture
from sparring.report.render import render
from sparring.stats.proportion import Proportion

MAX_TO_LABEL = 100
"""Examples in to_label.csv."""
MAX_CANDIDATES = 10_000
"""Unlabelled examples among which these are searched, and labelled examples that are checked."""
REASONS = "unsure", "unlike all labelled"
"""Why an example is in to_label.csv, by ranking."""
LABELLED = "labelled already"
GRID_IMAGES, MAX_NAMED = 50, 5
DOUBTFUL_FRACTION = 0.05
"""Fraction of the labelled examples that may be misclassified because their labels are wrong; of more, the classifier
is. Northcutt et al. 2021 found 3.3 % in ten test sets."""
MAX_ERRORS = 0.1
"""Proportion of errors on unseen examples above which a classifier is no reason to doubt labels."""
MIN_CONFIDENT, LAST_FRACTION = 0.1, 1 / 10
"""Fraction of the unlabelled examples that should have a confident pseudo-label in the last tenth of a training."""


def report_of(
    run: Run, classifier: Classifier, data: Dataset, test: TestResult | None, notes: Sequence[str]
) -> ClassificationReport:
    """Return the report of a test, or of none."""
    report = ClassificationReport(
        run=str(run.path), recipe=classifier.recipe.name, seed=classifier.metadata["seed"],
        labels=int((data.labels >= 0).sum()),
        minutes=max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0),
        classes=data.spec.classes, temperature=classifier.temperature, to_label=str(run.path / "to_label.csv"),
        notes=list(notes),
    )  # fmt: skip
    if test is None:
        return report
    confidence, predicted = test.probabilities.max(1)
    correct = predicted == test.labels
    curve = reliability(confidence, correct)
    return replace(
        report, errors=Proportion.count(int((~correct).sum()), len(correct)), tested_on=test.tested_on,
        confusion=confusion(predicted, test.labels, len(data.spec.classes), classifier.background).tolist(),
        reliability=curve, calibration_error=calibration_error(curve), unfamiliar=test.unknown,
        attacked=test.further.attacked, channels=test.further.channels, nonspeech=test.further.nonspeech,
    )  # fmt: skip


def write_classification(run: Run, report: ClassificationReport, classifier: Classifier, data: Dataset) -> None:
    """Write classification.json, to_label.csv with a picture, and report.html.

    An existing to_label.csv is kept: a person may have filled it in.
    """
    run.write_json("classification", asdict(report))
    if not Path(report.to_label).exists():
        _write_to_label(run, Path(report.to_label), classifier, data)
    write_run(run, ())


def _write_to_label(run: Run, path: Path, classifier: Classifier, data: Dataset) -> None:
    """Write the unlabelled examples whose labels would help most, then the labelled ones."""
    ranked = _to_label(classifier, data)
    shown = render(data.spec, data[np.array([k for k, *_ in ranked[:GRID_IMAGES]])]) if ranked else None
    if isinstance(shown, Picture):
        save_png(shown.image, path.with_suffix(".png"), f"run {run.path.name}, images to label next")
    table = io.StringIO()
    lines = csv.writer(table)
    lines.writerow(("name", "label", "guess", "probability", "why"))
    lines.writerows((data.names[k], "", guess, round(p, 4), reason) for k, guess, p, reason in ranked)
    labelled_idx = np.flatnonzero(data.labels >= 0) if ranked else ()  # filled in, the table holds all labels
    lines.writerows((data.names[k], data.spec.classes[data.labels[k]], "", "", LABELLED) for k in labelled_idx)
    write(path, table.getvalue().encode(errors="surrogateescape"))  # a file name is bytes


def _to_label(classifier: Classifier, data: Dataset) -> list[tuple[int, str, float, str]]:
    """Rank unlabelled examples: index, predicted class, its probability, and why.

    The least confident, and the least similar to any labelled example, take turns.
    """
    unlabelled_idx = np.flatnonzero(data.labels < 0)
    unlabelled_idx = np.sort(np.random.default_rng(0).permutation(unlabelled_idx)[:MAX_CANDIDATES])
    if not len(unlabelled_idx):
        return []
    labelled_idx = np.random.default_rng(0).permutation(np.flatnonzero(data.labels >= 0))[:MAX_CANDIDATES]
    answers = _predict(classifier, data, unlabelled_idx)
    best, which = answers.probabilities[:, : len(classifier.classes)].cpu().max(1)
    labelled, unlabelled = (_features(classifier, data, idx) for idx in (labelled_idx, unlabelled_idx))
    ranked = in_turn(best.argsort(stable=True)[:MAX_TO_LABEL], unlike(unlabelled, labelled, MAX_TO_LABEL))
    return [
        (int(unlabelled_idx[k]), classifier.classes[int(which[k])], float(best[k]), REASONS[ranking])
        for ranking, k in ranked[:MAX_TO_LABEL]
    ]


def doubtful_labels(
    classifier: Classifier, data: Dataset, calibration_idx: NDArray[np.int64], test: TestResult | None
) -> list[str]:
    """Return a note on examples that are misclassified although training saw their labels; or none.

    Labels are doubted only by a classifier that errs seldom on the examples of `test`, which it has not seen.
    """
    idx = np.setdiff1d(np.flatnonzero(data.labels >= 0), calibration_idx)[:MAX_CANDIDATES]
    predicted = _predict(classifier, data, idx).best.cpu().numpy()
    labels, classes = data.labels[idx], (*data.spec.classes, "none")
    wrong = np.flatnonzero(predicted != labels)
    if not len(wrong):
        return []
    count = f"{len(wrong):,} of {len(idx):,} labelled {data.report.unit} are classified as another class"
    if len(wrong) > DOUBTFUL_FRACTION * len(idx):
        return [
            f"{count}, more than labels are usually wrong: the classes overlap, or the classifier has not learnt them "
            "yet; train it for longer"
        ]
    if test is not None and (errors := _error_rate(test, len(data.spec.classes))) > MAX_ERRORS:
        return [
            f"{count}. It also errs on {errors:.0%} of the {test.tested_on}, so its answers are no reason to doubt "
            "these labels"
        ]
    named = [
        f"{data.names[idx[k]]} (labelled {classes[labels[k]]}, classified as {classes[predicted[k]]})"
        for k in wrong[:MAX_NAMED]
    ]
    more = f" and {len(wrong) - MAX_NAMED} more" * (len(wrong) > MAX_NAMED)
    return [f"{count}, check their labels: {', '.join(named)}{more}"]


def _error_rate(test: TestResult, classes: int) -> float:
    """Return the proportion of tested examples whose likeliest class, of the first `classes`, is wrong."""
    return float((test.probabilities[:, :classes].argmax(1) != test.labels).double().mean())


def unconfident_teacher(run: Run) -> list[str]:
    """Return a note where few unlabelled examples had a confident pseudo-label at the end and so helped little."""
    confident = [line["confident"] for line in run.metrics() if "confident" in line]
    last = confident[-max(int(len(confident) * LAST_FRACTION), 1) :]
    if not last or fmean(last) >= MIN_CONFIDENT:
        return []
    return [
        f"{fmean(last):.0%} of the unlabelled examples had a confident pseudo-label at the end, so they helped "
        "little: train for longer, or with more labelled examples in the same time "
        "(--generated-weight 0 --labelled-batch-size 72)"
    ]


def _predict(classifier: Classifier, data: Dataset, idx: NDArray[np.int64]) -> Answers:
    return Answers.concatenate([classifier.predict(data[chunk]) for chunk in chunks_of(idx)])


def _features(classifier: Classifier, data: Dataset, idx: NDArray[np.int64]) -> Tensor:
    """Return features `[N, F]`, on the CPU."""
    return torch.cat([classifier.encode(data[chunk]).cpu() for chunk in chunks_of(idx)])


def to_text(report: ClassificationReport) -> str:
    """Return the lines that the command prints."""
    lines = [f"run         {report.run}"]
    if report.errors is None:
        lines.append(f"errors      {UNTESTED}")
    else:
        errors = report.errors
        counted = f"{errors.hits:,} of {errors.total:,} {report.tested_on}"
        lines.append(f"errors      {errors.text(2)}, {counted}, trained with {report.labels:,} labels")
    if report.majority is not None:
        name, share = report.majority
        lines.append(f"baseline    errors {1 - share:.2%}, always answering '{name}', the commonest class")
    if report.verdict:
        lines.append(f"verdict     {report.verdict} Train it for longer, or with more labels; see `sparring doctor`")
    lines += [
        f"attacked    accuracy {test.accuracy}, where each pixel may change by {test.eps:.3f} (PGD, {test.steps} steps)"
        for test in report.attacked
    ]
    lines += [f"channel     accuracy {accuracy}, channel {name}" for name, accuracy in report.channels.items()]
    lines += [f"nonspeech   {answered} of {kind} answered with a class" for kind, answered in report.nonspeech.items()]
    if report.trees is not None:
        lines += [f"model       {report.trees.choice_text}"]
        lines += [f"trees       {text}" for text in [report.trees.test_text] if text]
    lines += [f"label next  {report.to_label}"] * bool(report.to_label)
    lines += [
        f"report      {report.run}/report.html",
        f"answers     sparring predict {report.run} SOURCE",
    ]
    return "\n".join(lines)

"""Scores of the answers of a classifier or a regressor on labelled examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from sparring.measure.classifier.calibration import calibration_error, confusion, reliability
from sparring.measure.regression.report import NumberTest
from sparring.stats.intervals import Interval, mean_of_intervals
from sparring.stats.proportion import Proportion


@dataclass(frozen=True)
class ClassScores:
    """Scores of a classifier's likeliest classes, also of unfamiliar examples; a background class counts as wrong."""

    accuracy: Proportion
    """Answers that are correct."""
    balanced_accuracy: Interval
    """Mean of the recalls."""
    recalls: dict[str, Proportion]
    """Examples of each class whose answer is correct, with the Clopper-Pearson interval."""
    commonest: str
    """Class of most examples."""
    baseline: float
    """Accuracy of always answering it."""
    calibration_error: float
    """Expected calibration error."""
    unfamiliar: int
    """Number of examples called "none of these"."""
    answers: tuple[str, ...]
    """Names of the columns of `confusion`."""
    confusion: dict[str, list[int]]
    """Class -> how many of its examples have each answer."""


@dataclass(frozen=True)
class AnswerScores:
    """Scores of a run's answers; `--json` prints them."""

    run: str
    """Run folder."""
    source: str
    """Labelled examples."""
    tested_on: str
    """Number, split and unit of the examples."""
    classes: ClassScores | None
    """Scores of a classifier; None of a regressor."""
    numbers: tuple[NumberTest, ...]
    """Scores of each number of a regressor."""
    coverage: float | None
    """Nominal coverage of the intervals; None of a classifier."""
    notes: tuple[str, ...]
    """Remarks on the examples, and reasons to doubt the scores."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)


def class_scores(
    probabilities: Tensor, labels: Tensor, classes: Sequence[str], unfamiliar: int, background: Sequence[str] = ()
) -> ClassScores:
    """Score `probabilities` `[N, K]` by labels `[N]`, one or more; with a `background` class they are `[N, K + 1]`."""
    confidence, predicted = probabilities.max(1)
    correct = predicted == labels
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    present = [k for k, count in enumerate(counts) if count]
    recalls = {
        classes[k]: Proportion.count(int((correct & (labels == k)).sum()), counts[k], "clopper-pearson")
        for k in present
    }
    table = confusion(predicted, labels, len(classes), bool(background)).tolist()
    commonest = max(present, key=lambda k: counts[k])
    return ClassScores(
        accuracy=Proportion.count(int(correct.sum()), len(labels)),
        balanced_accuracy=mean_of_intervals([Interval(each.value, each.low, each.high) for each in recalls.values()]),
        recalls=recalls, commonest=classes[commonest], baseline=counts[commonest] / len(labels),
        calibration_error=calibration_error(reliability(confidence, correct)), unfamiliar=unfamiliar,
        answers=(*classes, *background), confusion={classes[k]: table[k] for k in present},
    )  # fmt: skip

"""Measure the answers of a classifier: confusion, calibration, temperature. Pure functions of logits and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from sparring.measure.boosting.comparison import TreeComparison
from sparring.stats.proportion import Proportion

BINS = 10
"""Number of bins of the reliability curve."""
UNTESTED = (
    "unknown: no example with a known label was left to test on. Put some into a folder `test` beside `train`, or "
    "train with fewer labels than there are (--labels)"
)


@dataclass(frozen=True)
class Bin:
    """Answers of similar confidence."""

    count: int
    """Number of answers."""
    confidence: float
    """Mean probability of the answers."""
    accuracy: float
    """Fraction of correct answers."""


@dataclass(frozen=True)
class PgdResult:
    """Accuracy under PGD, an attack by gradients (Madry et al. 2018): an upper bound of the robust accuracy."""

    eps: float
    """Largest change of each pixel (Linf), in units of the range from 0 to 1."""
    steps: int
    """Number of gradient steps."""
    accuracy: Proportion
    """Answers that stay correct."""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> PgdResult:
        """Return what `dataclasses.asdict` and JSON made of one."""
        return cls(**{**fields, "accuracy": Proportion.from_json(fields["accuracy"])})


@dataclass(frozen=True)
class ClassificationReport:
    """Test of a trained classifier; `--json` prints it."""

    run: str
    """Run folder."""
    recipe: str
    """Name of the recipe."""
    minutes: float
    """Duration of the training."""
    labels: int
    """Number of labels that it was trained with."""
    seed: int
    """Random seed of the training."""
    classes: tuple[str, ...]
    """Names of the classes."""
    temperature: float
    """Divisor of the logits."""
    to_label: str
    """CSV of images to label next: name, label (to be filled in), guess, probability; then those labelled already."""
    notes: list[str] = field(default_factory=list)
    """Problems with the labels."""
    errors: Proportion | None = None
    """Wrong answers on the test examples; None where no example with a known label was left, as all that follows."""
    tested_on: str = "nothing"
    """Description of the test images."""
    confusion: list[list[int]] | None = None
    """Number of images of class i (row) classified as class j (column); the last column of words is "none of these"."""
    reliability: list[Bin] = field(default_factory=list)
    """Reliability curve."""
    calibration_error: float | None = None
    """Expected calibration error."""
    unfamiliar: int = 0
    """Test images answered "none of these". The errors count the likeliest class, sounds without a word among them."""
    attacked: list[PgdResult] = field(default_factory=list)
    """Accuracy under PGD."""
    channels: dict[str, Proportion] = field(default_factory=dict)
    """Accuracy on the test recordings behind each channel; audio alone."""
    nonspeech: dict[str, Proportion] = field(default_factory=dict)
    """Fraction of sounds without speech, by kind, that are answered with a class; audio alone."""
    trees: TreeComparison | None = None
    """Comparison with boosted trees; tables alone."""

    @property
    def majority(self) -> tuple[str, float] | None:
        """The commonest class of the test, and its share: the accuracy of always answering it. None without a test."""
        counts = [sum(row) for row in self.confusion or ()]
        return (self.classes[counts.index(max(counts))], max(counts) / sum(counts)) if sum(counts) else None

    @property
    def answers(self) -> tuple[str, ...]:
        """Names of the columns of the confusion table."""
        return (*self.classes, "none of these")[: len(self.confusion[0]) if self.confusion else len(self.classes)]

    @property
    def verdict(self) -> str:
        """Statement that the classifier is no better than one answer for everything; empty where it is, or untested."""
        if self.errors is None or self.majority is None or self.errors.complement.low > self.majority[1]:
            return ""
        return f"The classifier has learnt nothing: it is no better than always answering '{self.majority[0]}'."

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> ClassificationReport:
        """Return what `dataclasses.asdict` and JSON made of one."""
        values: dict[str, Any] = {name: fields[name] for name in cls.__dataclass_fields__}
        values["classes"] = tuple(fields["classes"])
        values["errors"] = None if fields["errors"] is None else Proportion.from_json(fields["errors"])
        values["reliability"] = [Bin(**b) for b in fields["reliability"]]
        values["attacked"] = [PgdResult.from_json(result) for result in fields["attacked"]]
        values["trees"] = None if fields["trees"] is None else TreeComparison.from_json(fields["trees"])
        for name in ("channels", "nonspeech"):
            values[name] = {key: Proportion.from_json(value) for key, value in fields[name].items()}
        return cls(**values)


def confusion(answers: Tensor, labels: Tensor, classes: int, background: bool = False) -> Tensor:
    """Count images of class i (row) classified as class j (column): int64 `[classes, classes (+ 1)]`.

    With a `background` class, that is the last column.
    """
    columns = classes + background
    return torch.bincount(labels * columns + answers, minlength=classes * columns).view(classes, columns)


def temperature(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> float:
    """Return the divisor of the logits that calibrates their probabilities (Guo et al. 2017, section 4.2).

    `logits` are `[N, K]`, or `[N, V, K]` of V views of each image, whose probabilities are averaged; `labels` `[N]`.
    The lowest cross entropy is found by ternary search between 1/50 and 50 on a logarithmic scale. `smoothing` is the
    fraction of each label that is spread over all classes. Without it, no temperature would be low enough where all
    answers are correct (Platt 1999, section 2.2).
    """
    low, high = math.log(1 / 50), math.log(50)
    views = (logits if logits.dim() == 3 else logits[:, None]).double()

    def loss(power: float) -> float:
        log_p = (views * math.exp(power)).log_softmax(2).logsumexp(1)
        return float((1 - smoothing) * nll_loss(log_p, labels) - smoothing * log_p.mean())

    for _ in range(40):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return math.exp(-(low + high) / 2)


def reliability(probability: Tensor, correct: Tensor, bins: int = BINS) -> list[Bin]:
    """Return the reliability curve: answers in bins of equal width by `probability` `[N]`, without empty bins."""
    index = (probability.double() * bins).long().clamp(0, bins - 1)
    return [
        Bin(int(inside.sum()), float(probability[inside].double().mean()), float(correct[inside].double().mean()))
        for inside in (index == k for k in range(bins))
        if bool(inside.any())
    ]


def calibration_error(curve: list[Bin]) -> float:
    """Return the mean difference of confidence and accuracy over all answers (ECE; Naeini et al. 2015, Eq. 3)."""
    total = sum(b.count for b in curve)
    return sum(b.count * abs(b.confidence - b.accuracy) for b in curve) / max(total, 1)

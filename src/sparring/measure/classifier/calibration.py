"""What a classifier's answers are worth: errors with an interval, confusion, calibration. Pure functions of logits and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

BINS = 10
UNTESTED = (
    "unknown: no image with a known label was left to test on. Put some into a folder `test` beside `train`, or tell "
    "fewer than there are (--labels)"
)


@dataclass(frozen=True)
class Bin:
    """Answers of about the same confidence."""

    count: int
    confidence: float
    """Mean probability of the answers."""
    accuracy: float
    """Share that was right."""


@dataclass(frozen=True)
class Attacked:
    """Answers that stay right under PGD, an attack by gradients (Madry et al. 2018): an upper bound of robustness."""

    eps: float
    """By how much each pixel may change, of the range from 0 to 1 (Linf)."""
    steps: int
    right: int
    of: int
    low: float
    """Ends of the 95 % interval of the share (Wilson)."""
    high: float


@dataclass(frozen=True)
class ClassificationReport:
    """What a classifier got right, and where it lies; `--json` prints it."""

    run: str
    recipe: str
    minutes: float
    """Of training, on the clock."""
    labels: int
    """That the classifier was told."""
    seed: int
    classes: tuple[str, ...]
    temperature: float
    """That its logits are divided by."""
    to_label: str
    """A CSV of images worth a label: name, label (to be filled in), guess, probability; after them those told already."""
    notes: list[str] = field(default_factory=list)
    """What is odd about the labels."""
    test_errors: int | None = None
    """Wrong answers; None where no image with a known label was left to test on, as with all that follows."""
    test_count: int = 0
    low: float | None = None
    """Ends of the 95 % interval of the share of errors (Wilson)."""
    high: float | None = None
    tested_on: str = "nothing"
    """Which images, in words."""
    confusion: list[list[int]] | None = None
    """Images of class i (row) that were called j (column)."""
    reliability: list[Bin] = field(default_factory=list)
    calibration_error: float | None = None
    unfamiliar: int = 0
    """Tested images that it would call "none of these"; for the errors its best guess counts."""
    attacked: list[Attacked] = field(default_factory=list)
    """How it stands against someone who may change the images a little."""

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> ClassificationReport:
        """What `dataclasses.asdict` and JSON made of one."""
        known: dict[str, Any] = {name: told[name] for name in cls.__dataclass_fields__}
        known["classes"] = tuple(told["classes"])
        known["reliability"] = [Bin(**one) for one in told["reliability"]]
        known["attacked"] = [Attacked(**one) for one in told["attacked"]]
        return cls(**known)


def confusion(answers: Tensor, labels: Tensor, classes: int) -> Tensor:
    """How often images of class i (row) were called j (column): int64 `[classes, classes]`."""
    return torch.bincount(labels * classes + answers, minlength=classes * classes).view(classes, classes)


def temperature(logits: Tensor, labels: Tensor, doubt: float = 0.0) -> float:
    """What to divide logits by, so that probabilities are right on these (Guo et al. 2017, section 4.2).

    `logits` are `[N, K]`, or `[N, V, K]` of V views of each image, whose probabilities are averaged. The lowest cross entropy
    is found by thirds between 1/50 and 50 on a logarithmic scale. With `doubt` that share of each label goes to all classes
    evenly: where all answers are right, no temperature would else be low enough (Platt 1999, section 2.2).
    """
    low, high = math.log(1 / 50), math.log(50)
    views = (logits if logits.dim() == 3 else logits[:, None]).double()

    def loss(power: float) -> float:
        told = (views * math.exp(power)).log_softmax(2).logsumexp(1)
        return float((1 - doubt) * nll_loss(told, labels) - doubt * told.mean())

    for _ in range(40):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return math.exp(-(low + high) / 2)


def reliability(probability: Tensor, right: Tensor, bins: int = BINS) -> list[Bin]:
    """The reliability curve: answers in bins of equal width by their `probability` `[N]`, those with none left out."""
    place = (probability.double() * bins).long().clamp(0, bins - 1)
    return [
        Bin(int(here.sum()), float(probability[here].double().mean()), float(right[here].double().mean()))
        for here in (place == k for k in range(bins))
        if bool(here.any())
    ]


def calibration_error(curve: list[Bin]) -> float:
    """Mean distance of confidence and accuracy over all answers (the ECE; Naeini et al. 2015, Eq. 3)."""
    total = sum(one.count for one in curve)
    return sum(one.count * abs(one.confidence - one.accuracy) for one in curve) / max(total, 1)

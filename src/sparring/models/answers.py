"""What a classifier answers: for each example a class or "none of these", with a probability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

NONE = "none of these"


class Answer(NamedTuple):
    """The answer for one example."""

    label: str
    """A class, or "none of these"."""
    probability: float
    """Calibrated probability of the likeliest class: of answers with 0.9 about 90 % are correct."""
    likeliest: str
    """Class of this probability: the label, or the nearest class where the label is "none of these"."""


class Intervals(NamedTuple):
    """Predicted numbers of N examples with their intervals, each `[N, K]`, float32, in the unit of the labels."""

    value: Tensor
    """Median."""
    low: Tensor
    """Lower end."""
    high: Tensor
    """Upper end."""


@dataclass(frozen=True)
class Answers:
    """The answers for N examples; iterating gives an `Answer` for each."""

    classes: tuple[str, ...]
    probabilities: Tensor
    """`[N, classes]`, or `[N, classes + 1]` with the background class last."""
    unknown: Tensor
    """True where an example belongs to none of the classes, bool `[N]`."""
    familiarity: Tensor
    """Cosine similarity to what the classifier was trained on, `[N]`; low for out-of-distribution examples."""

    @classmethod
    def concatenate(cls, chunks: list[Answers]) -> Answers:
        """Join the answers for successive chunks of examples, one chunk or more."""
        parts = ("probabilities", "unknown", "familiarity")
        return cls(chunks[0].classes, *(torch.cat([getattr(chunk, part) for chunk in chunks]) for part in parts))

    def __len__(self) -> int:
        return len(self.probabilities)

    def __iter__(self) -> Iterator[Answer]:
        best = (self._names[k] for k in self.best.tolist())
        yield from map(Answer, self.labels, self.probabilities.amax(1).tolist(), best)

    def __getitem__(self, k: int) -> Answer:
        return Answer(self.labels[k], float(self.probabilities[k].amax()), self._names[int(self.best[k])])

    @property
    def _names(self) -> tuple[str, ...]:
        """Names by number; the background class is "none of these"."""
        return (*self.classes, NONE)

    @property
    def best(self) -> Tensor:
        """Number of the likeliest class, int64 `[N]`; `len(classes)` stands for the background class."""
        return self.probabilities.argmax(1)

    @property
    def labels(self) -> list[str]:
        """Name of the class of each example, or "none of these"."""
        pairs = zip(self.best.tolist(), self.unknown.tolist(), strict=True)
        return [NONE if unknown else self._names[k] for k, unknown in pairs]

"""A task: what is to be done with which data; each field with its evidence and the flag that overrides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Literal, TypeVar

from sparring.data.summary import printable
from sparring.engine.errors import UsageError

T = TypeVar("T")
Certainty = Literal["flag", "text", "data", "default"]
"""Where a value is from; a default is the least certain."""


class Unclear(UsageError):
    """A task that is not understood; the message names the candidates and the flag that chooses."""


@dataclass(frozen=True)
class Decision(Generic[T]):
    """A value of a task."""

    value: T
    evidence: str
    """Words of the text, a file, a registry entry or a statistic."""
    certainty: Certainty
    flag: str
    """Flag that overrides it."""
    runner_up: str = ""
    """What it would be otherwise."""


@dataclass(frozen=True)
class Task:
    """What was understood."""

    kind: Decision[str]
    """Kind of task, one of `lexicon.KINDS`."""
    source: Decision[str]
    """Data, as SOURCE of the other commands."""
    data_kind: Decision[str]
    """Kind of data: image, audio, series or table."""
    target: Decision[str | None]
    """Column to predict."""
    classes: Decision[tuple[str, ...]]
    """Names of the classes."""
    splits: Decision[str]
    """Sizes of the training and test splits."""
    labels: Decision[int | None]
    """Number of labels that training sees; None: all."""
    minutes: Decision[float]
    """Training time."""
    metric: Decision[str]
    """Figure by which the result is judged."""
    model: Decision[str | None]
    """Model that is attacked or certified, or samples that are evaluated."""
    mask: Decision[str | None]
    """Mask of a picture that is restored."""
    labels_file: Decision[str | None]
    """CSV file of the labels that training sees."""
    predict: Decision[str | None]
    """New examples that are predicted; None: the test part."""
    drop: Decision[str | None]
    """Column that is left out."""
    eps: Decision[float | None]
    """Radius of the changes of an attack."""
    private: Decision[float | None]
    """Epsilon of differential privacy."""
    count: Decision[int]
    """Number of new samples."""
    licence: Decision[str]
    """Terms of the data."""

    def to_json(self) -> dict[str, Any]:
        """Return each field with its value, evidence, certainty, runner-up and flag."""
        return {field.name: vars(getattr(self, field.name)) for field in fields(self)}


Ask = Callable[[str, Sequence[str]], str]
"""(question, candidates) -> the answer; `refuse` where no one can answer."""


def refuse(question: str, candidates: Sequence[str]) -> str:
    """Raise Unclear with the question and the candidates."""
    listed = f": {', '.join(candidates)}" if candidates else ""
    raise Unclear(printable(f"{question}{listed}"))

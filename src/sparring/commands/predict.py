"""`sparring predict`: the class of each of new images, recordings, rows of a table or series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from sparring.data.dataset import Dataset
from sparring.data.in_memory import IndexedDataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.models.answers import Answers
from sparring.models.capabilities import Model, Predictor
from sparring.models.classifier import chunks_of
from sparring.models.load import load_capable
from sparring.report.format import csv_text

SUMMARY_CLASSES = 20
"""Classes whose counts are printed."""


@dataclass(frozen=True)
class Prediction:
    """One example and its answer."""

    name: str
    """Name of a file, `array[row]`, or a line of a table."""
    label: str
    """A class, or "none of these"."""
    probability: float
    """Calibrated probability of the likeliest class."""
    likeliest: str
    """Class of this probability: the label, or the nearest class where the label is "none of these"."""


@dataclass(frozen=True)
class Predictions:
    """The answers for all examples of a source."""

    predictions: list[Prediction]
    skipped: dict[str, list[str]]
    """Reason -> names of files or lines that could not be read."""
    notes: list[str]
    """Remarks on how the source was read: the scale of its values, say."""


def predict(run: str | Path, source: str | Path, *, resize: bool = False, net: nn.Module | None = None) -> Predictions:
    """Return what the classifier of `run` answers for each example of `source`, in the source's order.

    Examples are read as the training data were: the same sampling rate, the same columns. Images of another size or
    mode are refused, unless `resize`, or unless the training images were scaled too. `net` is the network of a run with
    custom networks. Raises UsageError where `run` has no such model or `source` does not fit it, SparringError where
    the files of either cannot be used.
    """
    model = load_capable(run, Predictor, net=net)
    data = open_like(model, source, resize=resize)
    names = iter(data.names)
    predictions = [
        Prediction(next(names), answer.label, round(answer.probability, 6), answer.likeliest)
        for answers in answer_all(model, data)
        for answer in answers
    ]
    return Predictions(predictions, data.skipped, data.notes)


def open_like(model: Model, source: str | Path, *, resize: bool = False) -> Dataset:
    """Open all examples of `source` as the training data of `model` were read; raise UsageError as `predict` does."""
    return open_source(source, ReadOptions(resize=resize), like=model.spec, keep_duplicates=True).split(None)


def answer_all(model: Predictor, data: IndexedDataset) -> Iterator[Answers]:
    """Yield the answers for all examples, a chunk at a time."""
    for idx in chunks_of(np.arange(len(data))):
        yield model.predict(model.spec.encode(data[idx]))


def as_csv(result: Predictions) -> str:
    """Return lines of name,label,probability,likeliest."""
    rows = ((row.name, row.label, row.probability, row.likeliest) for row in result.predictions)
    return csv_text(("name", "label", "probability", "likeliest"), rows).rstrip("\n")


def _certainty(row: Prediction) -> str:
    """Return the probability, and of what it is where the label is not that class."""
    return f"{row.probability:.1%}" + (f" for {row.likeliest}, the nearest class" if row.likeliest != row.label else "")


def to_text(result: Predictions) -> str:
    """Return a line for each example, and the number of answers of each class."""
    width = max((len(row.name) for row in result.predictions), default=0)
    lines = [f"{row.name:{width}}  {row.label:16} {_certainty(row)}" for row in result.predictions]
    count = Counter(row.label for row in result.predictions)
    lines.append(", ".join(f"{number:,} {label}" for label, number in count.most_common(SUMMARY_CLASSES)))
    lines += [f"note     {note}" for note in result.notes]
    lines += [f"skipped  {name}: {reason}" for reason, names in result.skipped.items() for name in names]
    return "\n".join(lines)

"""`sparring predict`: what a trained classifier says of new images."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.models.capabilities import Model, Predictor
from sparring.models.classifier import CHUNK_ROWS
from sparring.models.load import load_capable


@dataclass(frozen=True)
class Prediction:
    """An image and its answer."""

    name: str
    label: str
    """A class, or "none of these"."""
    probability: float
    """Of the likeliest class."""


@dataclass(frozen=True)
class Predictions:
    """Answers for all images of a source, and the files that are none."""

    predictions: list[Prediction]
    skipped: dict[str, list[str]]
    """Why -> names."""


def predict(run: str | Path, images: str | Path, *, resize: bool = False, net: nn.Module | None = None) -> Predictions:
    """What the classifier of `run` says of each image of a source (a single image too), in the source's order.

    Images of another size or mode than it was trained on are refused, unless `resize`, or unless the training images were
    brought to one size as well. Raises SparringError, with the way out, on all that can go wrong.
    """
    model = load_capable(run, Predictor, net=net)
    opened = open_like(model, images, resize=resize)
    found: list[Prediction] = []
    for first in range(0, len(opened), CHUNK_ROWS):
        answers = model.predict(opened[np.arange(first, min(first + CHUNK_ROWS, len(opened)))])
        names = opened.names[first : first + CHUNK_ROWS]
        found += [Prediction(name, a.label, round(a.probability, 6)) for name, a in zip(names, answers, strict=True)]
    return Predictions(found, opened.report.skipped)


def open_like(model: Model, source: str | Path, *, resize: bool = False) -> Dataset:
    """Open all examples of a source as the model's training data were read; raise UsageError where they do not fit."""
    return open_source(source, ReadOptions(resize=resize), like=model.spec, keep_duplicates=True).split(None)


def as_csv(found: Predictions) -> str:
    """A table of name,label,probability."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("name", "label", "probability"))
    table.writerows((one.name, one.label, one.probability) for one in found.predictions)
    return text.getvalue().rstrip("\n")


def to_text(found: Predictions) -> str:
    """A line an image, and how many of each class."""
    wide = max((len(one.name) for one in found.predictions), default=0)
    lines = [f"{one.name:{wide}}  {one.label:16} {one.probability:.1%}" for one in found.predictions]
    count = Counter(one.label for one in found.predictions)
    lines.append(", ".join(f"{some:,} {label}" for label, some in count.most_common(20)))
    lines += [f"skipped: {name} {why}" for why, names in found.skipped.items() for name in names]
    return "\n".join(lines)

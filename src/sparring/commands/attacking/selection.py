"""Open the data of a target, choose the labelled rows to attack or certify, and map their classes to the target's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparring.commands.attacking.flags import KindFlags
from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.suites.base import Subset
from sparring.data.dataset import Dataset
from sparring.data.images.shape import MOSTLY, parse_size
from sparring.data.open import open_source
from sparring.data.read_keywords import read_options
from sparring.data.reader_api import ReadOptions
from sparring.data.summary import skipped_notes
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import UsageError, did_you_mean
from sparring.measure.classifier.alternatives import MAX_ROWS

MAX_SIDE = 1024
"""Pixels: images of one size up to this are attacked as they are."""
MAX_CLASSES = 20
"""Classes in a note."""
CHECKED_VALUES = 2**25
"""Numbers in all rows on which a model is checked."""


def split_flags(values: Mapping[str, Any]) -> tuple[ReadOptions, KindFlags]:
    """Split values by name into `ReadOptions`, with `size` as text too, and flags of kinds of data."""
    names = {field.name for field in fields(ReadOptions)}
    given = {name: value for name, value in values.items() if name in names}
    return read_options(given), KindFlags.from_values({k: value for k, value in values.items() if k not in names})


def open_for(target: Target, source: str | Path, options: ReadOptions) -> Dataset:
    """Open all rows of `source`: those of a run's target are read as its training data were."""
    if target.classifier is None and options.resize:
        raise UsageError("--resize is for runs: --size and --mode bring images to the shape of another tool's model")
    data = open_source(source, options, like=target.spec, keep_duplicates=True)
    if target.classifier is None and (size := _own_size(data, options)):
        data = open_source(source, replace(options, size=size), keep_duplicates=True)
    return data.split(None)


def _own_size(data: Dataset, options: ReadOptions) -> tuple[int, int] | None:
    """Return the size of most images where all were scaled: a model of another tool takes them as they are."""
    if not isinstance(data.spec, ImageSpec) or options.size is not None:
        return None
    sizes = Counter[str]()
    for form, count in data.report.shapes_found.items():
        sizes[form.split()[0]] += count
    most, count = sizes.most_common(1)[0]
    size = parse_size(most) if count >= MOSTLY * sizes.total() else None
    return size if size and max(size) <= MAX_SIDE and size != (data.spec.height, data.spec.width) else None


def select(target: Target, data: Dataset, count: int, seed: int, unit: str, device: torch.device) -> Subset:
    """Draw `count` labelled rows, of the test split where it has labels; `unit` is the plural noun for rows.

    Raises UsageError where no row has a label, or a class is unknown to the target.
    """
    names = data.spec.classes
    if not names or not (data.labels >= 0).any():
        raise UsageError(
            f"{data.report.source} has no labels: put images or sounds into one folder per class, or give --label"
        )
    part, split = data.split("test"), "test "
    if not (part.labels >= 0).any():
        part, split = data, ""
    order = np.random.default_rng(seed).permutation(np.flatnonzero(part.labels >= 0))
    idx = np.sort(order[:count])
    labels = [names[label] for label in part.labels[idx]]
    classes, background = target.outputs(names)
    more = order[: _checked_rows(part, count)]
    checked = np.sort(more[np.isin(part.labels[more], [k for k, name in enumerate(names) if name in classes])])
    checked_labels = [names[label] for label in part.labels[checked]]
    return Subset(
        spec=part.spec,
        rows=part[idx],
        names=[part.names[row] for row in idx],
        labels=labels,
        y=torch.tensor(class_numbers(labels, classes, target.name), device=device),
        checked_rows=part[checked],
        checked_y=torch.tensor(class_numbers(checked_labels, classes, target.name), device=device),
        classes=(*classes, *background),
        description=f"{len(idx):,} {split}{unit}",
        lengths=None if part.lengths is None else part.lengths[idx],
        target_classes=len(classes),
        notes=[*data.report.emptied, *data.notes, *skipped_notes(data.report)],
    )


def _checked_rows(data: Dataset, count: int) -> int:
    """Return on how many rows the model is checked: 256, fewer where rows are large, but not fewer than attacked."""
    return min(MAX_ROWS, max(CHECKED_VALUES // int(math.prod(data.spec.shape)), count))


def class_order_note(target: Target, names: Sequence[str]) -> list[str]:
    """Return a note on the order in which a model of another tool must have the classes; [] for a run."""
    if target.classifier is not None or not names:
        return []
    more = f", ... ({len(names):,} in all)" if len(names) > MAX_CLASSES else ""
    return [f"the model's outputs are taken for the classes in this order: {', '.join(names[:MAX_CLASSES])}{more}"]


def class_numbers(labels: Sequence[str], known: Sequence[str], model: str) -> list[int]:
    """Return the model's number of each class name; raises UsageError on a class that the `model` does not have."""
    if unknown := next((label for label in labels if label not in known), None):
        raise UsageError(f"{model} has no class '{unknown}': {did_you_mean(unknown, known)}")
    numbers = {name: number for number, name in enumerate(known)}
    return [numbers[label] for label in labels]

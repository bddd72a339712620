"""Open the data of a target, choose the labelled rows to attack or certify, and map their classes to the target's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.suites.base import Subset
from sparring.data.dataset import Dataset
from sparring.data.image_shape import parse_size
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import UsageError, did_you_mean

MAX_REASONS = 5
"""Reasons for skipped rows in the notes."""


def read_options(values: Mapping[str, Any]) -> tuple[ReadOptions, dict[str, Any]]:
    """Split values by name into `ReadOptions`, with `size` as text too, and the rest."""
    names = {field.name for field in fields(ReadOptions)}
    given = {name: value for name, value in values.items() if name in names}
    rest = {name: value for name, value in values.items() if name not in names}
    return ReadOptions(**{**given, "size": parse_size(given.get("size"))}), rest


def open_for(target: Target, source: str | Path, options: ReadOptions) -> Dataset:
    """Open all rows of `source`: those of a run's target are read as its training data were."""
    if target.classifier is None and options.resize:
        raise UsageError("--resize is for runs: --size and --mode bring images to the shape of another tool's model")
    return open_source(source, options, like=target.spec, keep_duplicates=True).split(None)


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
    idx = np.flatnonzero(part.labels >= 0)
    idx = np.sort(np.random.default_rng(seed).permutation(idx)[:count])
    labels = [names[label] for label in part.labels[idx]]
    classes, background = target.outputs(names)
    return Subset(
        spec=part.spec,
        rows=part[idx],
        names=[part.names[row] for row in idx],
        labels=labels,
        y=torch.tensor(class_numbers(labels, classes, target.name), device=device),
        classes=(*classes, *background),
        description=f"{len(idx):,} {split}{unit}",
        lengths=None if part.lengths is None else part.lengths[idx],
        target_classes=len(classes),
        notes=[*data.notes, *_skipped(data)],
    )


def _skipped(data: Dataset) -> list[str]:
    """Return a note on each reason for which parts of the source are skipped, the most frequent first."""
    reasons = sorted(data.skipped.items(), key=lambda pair: -len(pair[1]))
    notes = [
        f"skipped: {len(names):,} {data.report.unit}: {reason} ({names[0]}{', ...' if len(names) > 1 else ''})"
        for reason, names in reasons[:MAX_REASONS]
    ]
    more = sum(len(names) for _, names in reasons[MAX_REASONS:])
    return [*notes, *([f"skipped: {more:,} {data.report.unit} for other reasons"] if more else [])]


def class_numbers(labels: Sequence[str], known: Sequence[str], model: str) -> list[int]:
    """Return the model's number of each class name; raises UsageError on a class that the `model` does not have."""
    if unknown := next((label for label in labels if label not in known), None):
        raise UsageError(f"{model} has no class '{unknown}': {did_you_mean(unknown, known)}")
    numbers = {name: number for number, name in enumerate(known)}
    return [numbers[label] for label in labels]

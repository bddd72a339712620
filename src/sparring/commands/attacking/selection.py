"""Choose the labelled rows to attack or to certify, and map their classes to those of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.suites.base import Subset
from sparring.data.dataset import Dataset
from sparring.engine.errors import UsageError, did_you_mean


def select(target: Target, data: Dataset, count: int, seed: int, unit: str, device: torch.device) -> Subset:
    """Draw `count` labelled rows, of the test split where it has labels; `unit` is the plural noun for rows.

    Raises UsageError where no row has a label, or a class is unknown to the model.
    """
    classes = tuple(data.report.classes)
    if not classes or not (data.labels >= 0).any():
        raise UsageError(f"{data.report.source} has no labels: put images into one folder per class")
    part, split = data.split("test"), "test "
    if not (part.labels >= 0).any():
        part, split = data, ""
    idx = np.flatnonzero(part.labels >= 0)
    idx = np.sort(np.random.default_rng(seed).permutation(idx)[:count])
    labels = [classes[label] for label in part.labels[idx]]
    known = classes if target.classifier is None else target.classifier.classes
    return Subset(
        part.spec,
        part[idx],
        [part.names[row] for row in idx],
        labels,
        torch.tensor(class_numbers(labels, known, target.name), device=device),
        known,
        f"{len(idx):,} {split}{unit}",
    )


def class_numbers(labels: Sequence[str], known: Sequence[str], model: str) -> list[int]:
    """Return the model's number of each class name; raises UsageError on a class that the `model` does not have."""
    if unknown := next((label for label in labels if label not in known), None):
        raise UsageError(f"{model} has no class '{unknown}': {did_you_mean(unknown, known)}")
    numbers = {name: number for number, name in enumerate(known)}
    return [numbers[label] for label in labels]

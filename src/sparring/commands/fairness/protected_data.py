"""Data with a protected column: groups that are large enough, validation examples, test examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.data.labels import labels_as
from sparring.engine.errors import UsageError
from sparring.measure.fairness.gaps import MIN_ROWS

VALIDATION_FRACTION = 1 / 5
"""Proportion of the training examples by which a candidate is chosen; none of them is trained on."""


@dataclass(frozen=True)
class ProtectedData:
    """Training examples and test examples with the groups that are compared."""

    train: Dataset
    """Training examples with all their labels, those of `validation_idx` among them."""
    validation_idx: NDArray[np.int64]
    test: Dataset
    test_labels: NDArray[np.int64]
    """Number of each test example's class; -1: unknown."""
    notes: list[str]

    @property
    def names(self) -> tuple[str, ...]:
        """Groups by name."""
        names: tuple[str, ...] = self.train.spec.groups
        return names

    def counts(self) -> dict[str, int]:
        """Return the number of training examples of each group."""
        return {name: int((_groups(self.train) == k).sum()) for k, name in enumerate(self.names)}

    def narrow(self, data: Dataset) -> Dataset:
        """Return the training examples without the labels of those that a candidate is chosen by, in these groups."""
        labels = data.labels.copy()
        labels[self.validation_idx] = -1
        return data.relabelled(labels, data.spec.classes).regrouped(_groups(self.train), self.names)


def protect(data: Dataset, protected: str) -> ProtectedData:
    """Return the training examples `data` with their test split, in the groups that are large enough to compare.

    Raises UsageError where fewer than two groups are.
    """
    idx = validation_subset(data.labels)
    test = data.split("test")
    parts = {"validation": _groups(data)[idx], "test": _groups(test)[labels_as(data.spec.classes, test) >= 0]}
    names: tuple[str, ...] = data.spec.groups
    kept, notes = _large_enough(names, parts, protected, data.report.unit)
    unknown = int((_groups(data) < 0).sum())
    if unknown:
        notes.append(f"{unknown:,} {data.report.unit} have no '{protected}': they are trained on, and count for no gap")
    number = np.array([kept.index(name) if name in kept else -1 for name in names] + [-1])  # the last one is for -1
    train, test = (split.regrouped(number[_groups(split)], kept) for split in (data, test))
    return ProtectedData(train, idx, test, labels_as(data.spec.classes, test), notes)


def check_comparable(data: ProtectedData, notion: str) -> None:
    """Raise UsageError where odds or opportunity find no class of which two groups have MIN_ROWS rows or more."""
    if notion == "parity":
        return
    parts = {
        "validation": (data.train.labels[data.validation_idx], _groups(data.train)[data.validation_idx]),
        "test": (data.test_labels, _groups(data.test)),
    }
    for part, (labels, groups) in parts.items():
        sizes = [
            sorted(int(((labels == k) & (groups == g)).sum()) for g in range(len(data.names)))
            for k in range(len(data.train.spec.classes))
        ]
        if all(counts[-2] < MIN_ROWS for counts in sizes):
            unit, most = data.train.report.unit, max(counts[-2] for counts in sizes)
            raise UsageError(
                f"--notion {notion} compares groups inside each class, and no class has two groups of {MIN_ROWS} "
                f"{part} {unit} (at most {most}): take --notion parity, or give more data"
            )


def validation_subset(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of the labels `[N]` that candidates are chosen by, sorted: the same for every seed."""
    known = np.flatnonzero(labels >= 0)
    count = int(len(known) * VALIDATION_FRACTION)
    return np.sort(np.random.default_rng(0).permutation(known)[:count])


def _large_enough(
    names: tuple[str, ...], parts: dict[str, NDArray[Any]], protected: str, unit: str
) -> tuple[tuple[str, ...], list[str]]:
    """Return the groups of MIN_ROWS rows or more in each part, and notes on the others."""
    if len(names) < 2:
        value = f"one value ('{names[0]}')" if names else "no value"
        raise UsageError(f"--protect: '{protected}' has {value} in these {unit}: name a column of two groups or more")
    small: dict[str, str] = {}
    for k, name in enumerate(names):
        counts = {part: int((groups == k).sum()) for part, groups in parts.items()}
        part = min(counts, key=lambda each: counts[each])
        if counts[part] < MIN_ROWS:
            small[name] = f"'{name}' ({counts[part]:,} {part} {unit})"
    kept = tuple(name for name in names if name not in small)
    if not small:
        return kept, []
    listed = ", ".join(small.values())
    if len(kept) < 2:
        raise UsageError(
            f"--protect: fewer than two groups of '{protected}' have {MIN_ROWS} {unit} to validate and to test on: "
            f"{listed} are too small. Give more data, or join small groups into one value"
        )
    return kept, [f"groups of fewer than {MIN_ROWS} {unit} are trained on, and count for no gap: {listed}"]


def _groups(data: Dataset) -> NDArray[np.int64]:
    assert data.groups is not None
    return data.groups

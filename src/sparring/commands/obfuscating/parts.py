"""Examples that an obfuscator learns from, and others by which fresh adversaries audit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.data.labels import labels_as
from sparring.engine.errors import UsageError

WANTED_ROWS = 2000
"""Examples of an audit for which training examples are set aside where the test split has fewer."""
LARGEST_FRACTION = 1 / 3
"""Largest fraction of the training examples that is set aside."""
MAX_ROWS = 6000
"""Largest number of examples of an audit."""
MIN_ROWS = 40
"""Smallest number of examples of a group in an audit: half of them is to learn from, half to test on."""


@dataclass(frozen=True)
class AuditRows:
    """Examples that the obfuscator was not trained on."""

    rows: NDArray[Any]
    """Stored rows `[N, ...]`."""
    groups: NDArray[np.int64]
    """Number of each row's group, `[N]`; -1 where it is unknown or too small."""
    labels: NDArray[np.int64]
    """Number of each row's class, `[N]`; -1 where it has none."""


@dataclass(frozen=True)
class Parts:
    """Training examples in the groups that are hidden, those to learn from, and the examples of the audit."""

    data: Dataset
    learning_idx: NDArray[np.int64]
    audited: AuditRows
    notes: list[str]

    def counts(self) -> dict[str, int]:
        """Return the number of audited examples of each group."""
        sizes = np.bincount(self.audited.groups[self.audited.groups >= 0], minlength=len(self.data.spec.groups))
        return dict(zip(self.data.spec.groups, sizes.tolist(), strict=True))


def parts_of(data: Dataset, protected: str) -> Parts:
    """Return the parts of training examples `data` with their test split, drawn by seed 0.

    Raises UsageError where fewer than two groups have MIN_ROWS examples to audit.
    """
    assert data.groups is not None
    test = data.split("test")
    assert test.groups is not None
    order = np.random.default_rng(0).permutation(len(data))
    aside = min(max(WANTED_ROWS - len(test), 0), int(len(data) * LARGEST_FRACTION))
    held_out, of_test = np.sort(order[:aside]), np.random.default_rng(1).permutation(len(test))[:MAX_ROWS]
    groups = np.concatenate([data.groups[held_out], test.groups[of_test]])
    labels = np.concatenate([data.labels[held_out], labels_as(data.spec.classes, test)[of_test]])
    kept, notes = _large_groups(data, groups, protected)
    number = np.array([kept.index(name) if name in kept else -1 for name in data.spec.groups] + [-1])
    rows = np.concatenate([data[held_out], test[of_test]])
    unit = data.report.unit
    notes.append(
        f"{len(rows):,} {unit} are for the audit, {aside:,} of them set aside from the training examples; "
        f"{len(data) - aside:,} to learn from"
    )
    regrouped = data.regrouped(number[data.groups], kept)
    return Parts(regrouped, np.sort(order[aside:]), AuditRows(rows, number[groups], labels), notes)


def _large_groups(data: Dataset, groups: NDArray[np.int64], protected: str) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of groups that are large enough in `groups` of the audit, and a note on the others."""
    names, unit = data.spec.groups, data.report.unit
    if len(names) < 2:
        value = f"one value ('{names[0]}')" if names else "no value"
        raise UsageError(f"--protect: '{protected}' has {value} in these {unit}: name a column of two groups or more")
    sizes = np.bincount(groups[groups >= 0], minlength=len(names))
    kept = tuple(name for name, size in zip(names, sizes, strict=True) if size >= MIN_ROWS)
    small = ", ".join(f"'{name}' ({size:,})" for name, size in zip(names, sizes, strict=True) if size < MIN_ROWS)
    if len(kept) < 2:
        raise UsageError(
            f"--protect: fewer than two groups of '{protected}' have {MIN_ROWS} {unit} to audit: {small} are too "
            "small. Give more data, or join small groups into one value"
        )
    return kept, [f"groups of fewer than {MIN_ROWS} audited {unit} are not hidden: {small}"] if small else []

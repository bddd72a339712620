"""Find groups in the names of examples, such as speakers or patients, that are in both splits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MIN_EXAMPLES = 4
"""Smallest mean number of examples of a group."""
MIN_GROUPS, MAX_GROUPS = 2, 2000


@dataclass(frozen=True)
class NameGroups:
    """A part of the names that has few values."""

    position: int
    """Number of the part, from 0."""
    values: tuple[str, ...]
    """Groups, the largest first."""
    shared: tuple[str, ...]
    """Those that are in both splits."""


def name_groups(names: Sequence[str], is_test: Sequence[bool], labels: Sequence[str]) -> list[NameGroups]:
    """Return the parts of the names that name groups: not the label, a number, or a split.

    Names are cut at `/`, `_` and `-`; all must have as many parts. A group has several examples, of several labels.
    """
    parts = [re.split(r"[/_-]", name.rsplit(".", 1)[0]) for name in names]
    counts = {len(part) for part in parts}
    if len(counts) != 1 or counts == {1}:
        return []
    results = []
    for position in range(counts.pop()):
        values = [part[position] for part in parts]
        if all(value.isdecimal() for value in values) or set(values) <= {"train", "test", "val", "valid"}:
            continue
        sizes = {value: values.count(value) for value in set(values)}
        if not MIN_GROUPS <= len(sizes) <= MAX_GROUPS or len(values) / len(sizes) < MIN_EXAMPLES:
            continue
        kinds = {value: {label for v, label in zip(values, labels, strict=True) if v == value} for value in sizes}
        if all(len(kind) == 1 for kind in kinds.values()):  # each value is of one label: it is the label
            continue
        train = {value for value, test in zip(values, is_test, strict=True) if not test}
        shared = train & {value for value, test in zip(values, is_test, strict=True) if test}
        ordered = sorted(sizes, key=lambda value: -sizes[value])
        results.append(NameGroups(position, tuple(ordered), tuple(v for v in ordered if v in shared)))
    return results

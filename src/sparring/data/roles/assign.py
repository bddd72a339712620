"""Split and label of each example of a container of files, whatever says so: pattern, table, folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Container, Skipped
from sparring.data.reader_api import Example, ReadOptions
from sparring.data.roles.group_files import read_groups
from sparring.data.roles.label_files import read_label_files
from sparring.data.roles.layout import Role, understand
from sparring.data.roles.words import Split, split_word
from sparring.engine.errors import UsageError

LEAST_MATCH = 0.5
"""Fraction of the names that a pattern has to fit."""
FROM_FOLDER, FROM_NOTHING = "folder", "none"
"""Values of --label-from that are no patterns."""


@dataclass
class Assignment:
    """The examples of a container, and what was decided about it."""

    items: list[Example]
    skipped: list[Skipped]
    notes: list[str]
    roles: list[Role]
    used: set[str]
    """Files beside the examples that were read."""
    vectors: NDArray[np.float32] | None = None
    groups: list[str | None] | None = None
    """Group of each example, None for unknown; None: nothing is protected."""


def assign(
    container: Container, names: Sequence[str], others: Sequence[str], options: ReadOptions, unit: str
) -> Assignment:
    """Return the examples `names` with splits and labels; `others` are the files beside them.

    `--label-from` counts first, then dataset.json, then folders, then tables and files of each stem.
    """
    rule = options.label_from
    layout = understand(names, keep_folders=rule == FROM_FOLDER)
    kept = [number for number in range(len(names)) if number not in layout.left_out]
    kept_names = [names[number] for number in kept]
    labels: list[str | None] = [layout.labels[number] for number in kept]
    splits = [layout.splits[number] for number in kept]
    notes, roles, used, vectors = list(layout.notes), list(layout.roles), set[str](), None
    if rule not in (None, FROM_FOLDER, FROM_NOTHING):
        labels = _by_pattern(str(rule), kept_names, splits)
        notes = [f"labels are those that --label-from '{rule}' takes from the names"]
        roles = [role for role in roles if role.role not in ("class", "shard")]
    elif rule == FROM_NOTHING:
        labels = [None] * len(kept)
    elif rule != FROM_FOLDER:
        by_folder = len({label for label in labels if label is not None}) > 1
        beside = read_label_files(container, kept_names, others, options.label, by_folder=by_folder, unit=unit)
        used, notes, roles = beside.used, notes + beside.notes, roles + beside.roles
        for k, split in beside.splits.items():
            splits[k] = split
        if beside.labels is not None:
            labels, vectors = beside.labels.classes, beside.labels.vectors
            notes = [note for note in notes if "is no class" not in note and "are no classes" not in note]
            roles = [role for role in roles if role.role != "class"]
    groups, tables = read_groups(container, kept_names, others, options)
    items = [Example(*each) for each in zip(kept_names, splits, labels, strict=True)]
    skipped = [Skipped(names[number], reason) for number, reason in layout.left_out.items()]
    return Assignment(items, skipped, notes, roles, used | tables, vectors, groups)


def _by_pattern(pattern: str, names: Sequence[str], splits: list[Split]) -> list[str | None]:
    """Return the label in each name, where the pattern fits; splits are written where it has one."""
    if "{label}" not in pattern and "{split}" not in pattern:
        raise UsageError(
            f"--label-from {pattern} has no {{label}}: write a pattern such as '{{label}}_*.png' or '*/{{label}}/*', "
            "or folder, or none"
        )
    regex = _regex(pattern)
    matches = [regex.fullmatch(name) for name in names]
    if sum(match is not None for match in matches) < LEAST_MATCH * len(names):
        first = next(name for name, match in zip(names, matches, strict=True) if match is None)
        raise UsageError(f"--label-from '{pattern}' does not fit most names, such as {first}")
    for k, match in enumerate(matches):
        if match and "{split}" in pattern and (word := split_word(match["split"])):
            splits[k] = word.split
    return [match["label"] if match and "{label}" in pattern else None for match in matches]


def _regex(pattern: str) -> re.Pattern[str]:
    """Return a pattern of `--label-from` as a regular expression over the end of a path."""
    parts = re.split(r"(\*\*|\*|\?|\{label\}|\{split\})", pattern.strip("/"))
    known = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{label}": "(?P<label>[^/]+?)", "{split}": "(?P<split>[^/]+)"}
    return re.compile("(?:.*/)?" + "".join(known.get(part, re.escape(part)) for part in parts) + "$", re.S)

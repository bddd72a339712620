"""Select the labels that training sees, as a number per class or by a CSV file, and report conflicting labels.

The CSV file is read here and not by text_table: names of files may hold bytes that are no text, or spaces at their
ends.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparring.data.archive import natural
from sparring.data.dataset import Dataset
from sparring.data.reader_api import Example, ReadResult
from sparring.engine.errors import SparringError, UsageError, did_you_mean

UNLABELLED = "-1"
"""What stands for no label, here as in arrays; nothing does as well."""
LARGEST = 1 << 30
"""Bytes of a table of labels, at most."""
NAMED = 5
"""Images that a note names, and other classes of each."""


def choose_labels(labels: NDArray[np.int64], count: int, classes: tuple[str, ...], seed: int) -> NDArray[np.int64]:
    """Keep `count` of the labels `[N]`, as even over the classes as they allow; the others become -1.

    Of each class the first in an order that `seed` gives, so that more labels of the same seed hold the fewer. Classes
    that have not enough give all, the others more. Raises UsageError where fewer labels are there, or fewer are
    requested than there are classes.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    of_class = [order[labels[order] == k] for k in range(len(classes))]
    there = [len(rows) for rows in of_class]
    if sum(there) < count:
        raise UsageError(
            f"--labels {count:,}: only {sum(there):,} images have a label; ask for {sum(there):,} or fewer"
        )
    if len(classes) < 2:
        one = f"only one class ('{classes[0]}')" if classes else "no classes"
        raise UsageError(f"the labels name {one}: a classifier tells two or more apart")
    if count < len(classes):
        raise UsageError(f"--labels {count} is fewer than the {len(classes)} classes: each needs one or more")
    wanted = [0] * len(classes)
    while sum(wanted) < count:  # one for each that has more, in an order that favours none
        left = [k for k in range(len(classes)) if wanted[k] < there[k]]
        for k in np.random.default_rng([seed, 1]).permutation(left)[: count - sum(wanted)]:
            wanted[k] += 1
    kept = np.full_like(labels, -1)
    for rows, some in zip(of_class, wanted, strict=True):
        kept[rows[:some]] = labels[rows[:some]]
    return kept


def read_labels(
    path: Path, names: list[str], classes: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...], list[str]]:
    """Read labels `[N]` of the examples of these names, the classes, and notes, from a CSV of `name,label`.

    A first line that names the columns may stand there (`name` and `label`, among others). A name may be the end of a
    path, if only one image ends so. Rows with an empty label, or -1, are passed over. `classes` are those of the
    source; where it has none, the table's count. Raises UsageError or SparringError, naming the line, on all that does
    not fit.
    """
    rows = _rows(path)
    known = {name: k for k, name in enumerate(names)}
    by_file = _unique({name.rsplit("/", 1)[-1]: k for k, name in enumerate(names)}, names)
    label_of: dict[int, tuple[int, str]] = {}
    for line, *cells in rows:
        name, label = (
            cell if cell in there else cell.strip() for cell, there in zip(cells, (known, classes), strict=True)
        )
        place = known.get(name, by_file.get(name))
        if place is None:
            raise UsageError(f"{path}, line {line}: the source has no training example '{name}': {_near(name, names)}")
        if not label or (label == UNLABELLED and label not in classes):
            continue
        if classes and label not in classes:
            raise UsageError(f"{path}, line {line}: the source has no class '{label}': {did_you_mean(label, classes)}")
        if place in label_of and label_of[place][1] != label:
            first, other = label_of[place]
            raise UsageError(f"{path}: '{name}' is called '{other}' in line {first} and '{label}' in line {line}")
        label_of[place] = line, label
    if not label_of:
        raise UsageError(f"{path} names no label: it needs lines of name,label")
    counts = Counter(label for _, label in label_of.values())
    all_classes = classes or tuple(sorted(counts, key=natural))
    if len(counts) < 2:
        raise UsageError(f"{path} names one class alone ('{next(iter(counts))}'): a classifier tells two or more apart")
    notes = [
        f"the table has no example of class '{name}': it can never be answered"
        for name in all_classes
        if name not in counts
    ]
    number = {name: k for k, name in enumerate(all_classes)}
    labels = np.full(len(names), -1, np.int64)
    for place, (_, label) in label_of.items():
        labels[place] = number[label]
    return labels, all_classes, notes


def labels_as(classes: tuple[str, ...], data: Dataset) -> NDArray[np.int64]:
    """Return the labels `[N]` of a split as numbers of `classes`, by name; -1 for all others, and for none."""
    number = {name: k for k, name in enumerate(classes)}  # a table may have brought classes of its own
    place = np.array([number.get(name, -1) for name in data.report.classes] + [-1])
    labels: NDArray[np.int64] = place[data.labels]
    return labels


def contradictions(
    items: Sequence[Example], outcomes: Sequence[ReadResult], taken: Sequence[int], unit: str
) -> list[str]:
    """Return a note on files that are found under more than one class, or none; `taken` are the rows in use."""
    row_of = {outcomes[row].digest: row for row in taken}
    others: dict[int, dict[str, str]] = {}
    for item, outcome in zip(items, outcomes, strict=True):
        if item.label is None or outcome.reason:
            continue
        row = row_of[outcome.digest]
        if item.label != items[row].label:
            others.setdefault(row, {}).setdefault(item.label, item.name)
    if not others:
        return []
    conflicts = []
    for row, counts in sorted(others.items()):
        elsewhere = _first([f"{label} in {name}" for label, name in counts.items()])
        conflicts.append(f"{items[row].name} ({items[row].label}; {elsewhere})")
    count = f"{len(conflicts):,} {unit} are" if len(conflicts) > 1 else f"1 {unit.removesuffix('s')} is"
    return [f"{count} found under more than one class, of which the first was taken: {_first(conflicts)}"]


def _first(words: list[str]) -> str:
    """Return the first few, and how many more there are."""
    return ", ".join(words[:NAMED]) + f" and {len(words) - NAMED:,} more" * (len(words) > NAMED)


def _rows(path: Path) -> list[tuple[int, str, str]]:
    """Line, name and label of each row."""
    try:
        if path.stat().st_size > LARGEST:
            raise SparringError(f"{path} is too large for a table of labels")
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")  # as names of files are
    except FileNotFoundError as error:
        raise UsageError(f"there is no '{path}': --labels-file is a CSV of name,label") from error
    except OSError as error:
        raise SparringError(f"{path} cannot be read as a table of text: {error}") from error
    try:
        lines = csv.reader(io.StringIO(text))
        table = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise SparringError(f"{path} is no CSV: {error}") from error
    if not table:
        raise UsageError(f"{path} is empty: it needs lines of name,label")
    head = [cell.strip().lower() for cell in table[0][1]]
    columns = (head.index("name"), head.index("label")) if {"name", "label"} <= set(head) else None
    name, label = columns or (0, 1)
    rows = []
    for line, row in table[1:] if columns else table:
        if len(row) <= max(name, label):
            raise UsageError(f"{path}, line {line}: {len(row)} column, where name,label are needed")
        rows.append((line, row[name], row[label]))
    return rows


def _unique(ends: dict[str, int], names: list[str]) -> dict[str, int]:
    """Those ends of paths that belong to one image alone."""
    count = Counter(name.rsplit("/", 1)[-1] for name in names)
    return {end: k for end, k in ends.items() if count[end] == 1}


def _near(name: str, names: list[str]) -> str:
    """Return the nearest name, where there is one and not too many to look through, or the look of them."""
    close = difflib.get_close_matches(name, names if len(names) <= 5_000 else [], n=1)
    return f"did you mean '{close[0]}'?" if close else f"its names are like '{names[0]}'"

"""Select the labels that training sees, as a number per class or by a table, and report conflicting labels."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.data.files.archive import natural
from sparring.data.label_table import Columns, LabelTable, find_columns, label_of, parse_label_table
from sparring.data.reader_api import Example, ReadResult
from sparring.data.roles.label_values import mark_notes
from sparring.data.roles.matching import Names
from sparring.data.roles.words import is_nothing
from sparring.data.tables.cells import to_number
from sparring.engine.errors import SparringError, UsageError, did_you_mean

USUAL_MARKS = "", "-1"
"""Marks for no label that a table to fill in has."""
LARGEST = 1 << 30
"""Bytes of a table of labels, at most."""
NAMED = 5
"""Images that a note names, and other classes of each."""


def to_numbers(labels: NDArray[np.int64], classes: Sequence[str]) -> NDArray[np.float32] | None:
    """Return the numbers `[N, 1]` that classes are named by, NaN for -1; None without classes, or of other names."""
    numbers = [to_number(name) for name in classes]
    if not numbers or None in numbers:
        return None
    return np.array([*numbers, np.nan], np.float32)[labels][:, None]


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
    path: Path, names: list[str], classes: tuple[str, ...], aliases: Mapping[str, str] | None = None
) -> tuple[NDArray[np.int64], tuple[str, ...], list[str]]:
    """Read labels `[N]` of the examples of these names, the classes, and notes, from a table of names and labels.

    The columns are known by what they hold and by a header, if there is one; a name may be a path of another system,
    a unique end of one, or a stem. Marks for nothing (-1, nan, ?) are no label. `classes` are those of the source;
    where it has none, the table's count. `aliases` are other names that the source knows: of a copy -> the name of the
    example, of a file that is not used -> nothing. Raises UsageError or SparringError on what does not fit.
    """
    table, columns, finder = _open_table(path, names, aliases or {})
    label_at: dict[int, tuple[int, str]] = {}
    unknown, marks, matched = list[tuple[int, str]](), Counter[str](), Counter[bool]()
    for line, row in zip(table.lines, table.rows, strict=True):
        if len(row) <= max(columns.name, columns.label or 0):
            raise UsageError(f"{path}, line {line}: {len(row)} column, where name,label are needed")
        place = finder.find(row[columns.name])
        if place is None:
            unknown.append((line, row[columns.name].strip()))
            continue
        matched[place >= 0] += 1
        label = _label(row, table, columns, classes)
        if place < 0 or (is_nothing(label) and label not in classes):
            marks[label] += place >= 0
            continue
        if classes and label not in classes:
            raise UsageError(f"{path}, line {line}: the source has no class '{label}': {did_you_mean(label, classes)}")
        if place in label_at and label_at[place][1] != label:
            first, other = label_at[place]
            raise UsageError(
                f"{path}: '{names[place]}' is called '{other}' in line {first} and '{label}' in line {line}"
            )
        label_at[place] = line, label
    if unknown and len(unknown) >= len(table.rows) / 2 and matched[True] <= len(names) / 2:
        line, name = unknown[0]
        raise UsageError(f"{path}, line {line}: the source has no training example '{name}': {_near(name, names)}")
    if not label_at:
        raise UsageError(f"{path} names no label: it needs lines of name,label")
    counts = Counter(label for _, label in label_at.values())
    all_classes = classes or tuple(sorted(counts, key=natural))
    if len(counts) < 2:
        raise UsageError(f"{path} names one class alone ('{next(iter(counts))}'): a classifier tells two or more apart")
    notes = [*table.notes, *columns.notes, *_passed_over(path, len(unknown), matched[False])]
    notes += mark_notes(Counter({mark: n for mark, n in marks.items() if n and mark not in USUAL_MARKS}), table.rows)
    notes += [
        f"the table has no example of class '{name}': it can never be answered"
        for name in all_classes
        if name not in counts
    ]
    number = {name: k for k, name in enumerate(all_classes)}
    labels = np.full(len(names), -1, np.int64)
    for place, (_, label) in label_at.items():
        labels[place] = number[label]
    return labels, all_classes, notes


class _Finder:
    """Names of training examples, and of files that the source knows and does not train on."""

    def __init__(self, names: list[str], aliases: Mapping[str, str]) -> None:
        known = {name: k for k, name in enumerate(names)}
        self.places: list[int] = [*range(len(names)), *(known.get(name, -1) for name in aliases.values())]
        self.names = Names([*names, *aliases])
        self.training = Names(names)

    def find(self, name: str) -> int | None:
        """Return the place of the example, -1 for a file that is not trained on, None for what is unknown."""
        number = self.training.find(name)
        if number is None and (other := self.names.find(name)) is not None:
            return self.places[other]
        return number


def _open_table(path: Path, names: list[str], aliases: Mapping[str, str]) -> tuple[LabelTable, Columns, _Finder]:
    finder = _Finder(names, aliases)
    tables = [table for table in parse_label_table(_content(path), str(path)) if table.rows]
    if not tables:
        raise UsageError(f"{path} is empty: it needs lines of name,label")
    by_hits: list[tuple[int, LabelTable, Columns]] = []
    for table in tables:
        if (columns := find_columns(table, finder.names)) is not None:
            hits = sum(finder.find(cell) is not None for cell in table.column(columns.name))
            by_hits.append((hits, table, columns))
    if by_hits:
        _, table, columns = max(by_hits, key=lambda each: each[0])
        return table, columns, finder
    table = tables[-1]
    cells = table.rows[0]
    if len(cells) < 2:
        raise UsageError(f"{path}, line {table.lines[0]}: {len(cells)} column, where name,label are needed")
    raise UsageError(
        f"{path}, line {table.lines[0]}: the source has no training example '{cells[0]}': {_near(cells[0], names)}"
    )


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise SparringError(f"{path} is too large for a table of labels")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"there is no '{path}': --labels-file is a CSV of name,label") from error
    except OSError as error:
        raise SparringError(f"{path} cannot be read as a table of text: {error}") from error


def _label(row: list[str], table: LabelTable, columns: Columns, classes: tuple[str, ...]) -> str:
    if columns.label is None:
        return label_of(table, columns, row) or ""
    return row[columns.label] if row[columns.label] in classes else row[columns.label].strip()


def _passed_over(path: Path, unknown: int, not_trained: int) -> list[str]:
    """Return notes on rows that name no training example."""
    reasons = {"no file of the source": unknown, "files that are not trained on (test, copies, damaged)": not_trained}
    return [f"{count:,} rows of {path} name {what}: they are passed over" for what, count in reasons.items() if count]


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


def _near(name: str, names: list[str]) -> str:
    """Return the nearest name, where there is one and not too many to look through, or the look of them."""
    close = difflib.get_close_matches(name, names if len(names) <= 5_000 else [], n=1)
    return f"did you mean '{close[0]}'?" if close else f"its names are like '{names[0]}'"

"""Labels of a table in a file of their own: one column, and as many rows as the table has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from sparring.data.files.archive import Skipped
from sparring.data.roles.words import split_word

if TYPE_CHECKING:
    from sparring.data.readers.table import TableFile


class LabelledTable:
    """A table with the labels of another file as its last column, named by that file without the word of a split."""

    def __init__(self, table: TableFile, labels: TableFile) -> None:
        self._table, self._labels = table, labels
        stem = PurePosixPath(labels.name).name.partition(".")[0]
        name = ((word := split_word(stem)) and word.rest) or stem  # y of y_train.csv and y_test.csv
        self.label: str | None = name if name not in table.header else f"{name} (labels)"
        self.name, self.place, self.nested = table.name, table.place, table.nested
        self.header = [*table.header, self.label]
        self.split: Literal["train", "test"] = table.split
        self.notes = [*table.notes, f"labels are from {labels.name}, row by row; --label names another column instead"]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield number and cells of each row, the label last."""
        for (line, cells), (_, label) in zip(self._table.rows(), self._labels.rows(), strict=True):
            yield line, [*cells, *label]


def join_labels(files: Sequence[TableFile]) -> tuple[list[TableFile], list[Skipped]]:
    """Return the tables, each with its labels where another file holds them; and files that fit none, with reasons.

    Labels are a file of one column whose name differs from the table's in one word (x_train.csv and y_train.csv), or
    that lies beside one table alone.
    """
    tables = [file for file in files if len(file.header) > 1]
    labels = [file for file in files if len(file.header) == 1]
    if not tables or not labels:
        return list(files), []
    joined: dict[str, TableFile] = {file.name: file for file in tables}
    unused: list[Skipped] = []
    for file in labels:
        partners = [table for table in tables if differ_in_one_word(table.name, file.name)]
        partners = partners or (tables if len(tables) == len(labels) == 1 else [])
        if len(partners) != 1:
            unused.append(Skipped(file.name, "holds one column, and belongs to no table by its name"))
        elif (count := _count(file)) != (expected := _count(partners[0])):
            reason = f"holds one column of {count:,} rows, and {partners[0].name} has {expected:,}: these are no labels"
            unused.append(Skipped(file.name, reason))
        else:
            joined[partners[0].name] = LabelledTable(partners[0], file)
    return list(joined.values()), unused


def differ_in_one_word(name: str, other: str) -> bool:
    """Return True for file names that are equal but for one of their words."""
    words, others = (re.split(r"[^a-z0-9]+", text.lower()) for text in (name, other))
    return len(words) == len(others) and sum(a != b for a, b in zip(words, others, strict=True)) == 1


def _count(file: TableFile) -> int:
    return sum(1 for _ in file.rows())

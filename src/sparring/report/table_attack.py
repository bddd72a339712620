"""What became of a table's classifier under attack, as typed objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TableAttack:
    """How a table's classifier stands against changed columns; `--json` prints it, and `report.json` holds it."""

    table: str
    label: str
    """The column that it tells."""
    model: str
    """Its name, or how it was trained."""
    tested_on: str
    """Which rows, in words."""
    count: int
    """Rows that it was tested on."""
    clean_accuracy: float
    """The share of them that it gets right."""
    attacked: int
    """Rows that were attacked, of those that it gets right."""
    broken: int
    """Of these, rows whose answer turned."""
    success: float
    """The share of them: greedy search finds no more than there is, so the truth is this or higher."""
    low: float
    """Ends of the 95 % interval of that share (Wilson)."""
    high: float
    changed_columns: float | None
    """How many changed, on the average of what broke; None where nothing did."""
    changed: dict[str, int]
    """Column -> rows, of those that broke, in which it changed; the most frequent first."""
    by_class: dict[str, tuple[int, int]]
    """Class -> rows that broke, and of how many."""
    may_change: list[str]
    """Columns that could."""
    increasing: list[str]
    """Of these, the columns that could only grow."""
    decreasing: list[str]
    """And those that could only shrink."""
    most: int | None
    """Columns that could change in a row; None: as many as it takes."""
    queries: float
    """Forward passes a row, on the average."""
    columns: dict[str, list[str]]
    """Column -> its words, an entry of the model's rows each; [] for a number, which is one entry."""
    seed: int
    out: str
    """The folder with report.html, report.json and changes.csv."""
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What was asked of it (`fail_below`, `baseline`) and is not met."""


@dataclass(frozen=True)
class Turned:
    """A row whose answer turned; values as they would stand in the file, in the order of its columns."""

    line: int
    """Of the file, where the row ends."""
    true: str
    """Its class, which was the answer before."""
    answer: str
    """That after."""
    before: Sequence[str]
    after: Sequence[str]

"""Columns of tables, and how a file writes them: decimals, dates, gaps; columns that are not learnt; dependences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

RARE = "(rare)"
"""Category of the words that few rows hold; it is never written."""
EPOCH = "2000-01-01"
"""Day 0 of stored dates."""


@dataclass(frozen=True)
class CellForm:
    """How cells of a column are written, of a table that was read whole."""

    decimals: int | None = 0
    """Digits after the decimal mark; None: as many as float32 has."""
    trim: bool = False
    """True where trailing zeros are left out."""
    date: str = ""
    """Format of dates for `strftime`; the stored number is then days since EPOCH. Empty: no date."""
    gap: str | None = None
    """Cell without a value; None: the column has no gaps. Gaps are NaN, or the last category."""
    refill: tuple[tuple[str, int], ...] = ()
    """Words, with their numbers of rows, that are written in place of RARE."""

    @property
    def step(self) -> float:
        """Distance of neighbouring values; 0 where they are continuous."""
        if self.date:
            return 0.0 if "%H" in self.date else 1.0
        return 0.0 if self.decimals is None else 10.0**-self.decimals


@dataclass(frozen=True)
class Column:
    """A column of a table file: one number of a row, or a one-hot group of numbers."""

    name: str
    indices: tuple[int, ...]
    """Positions in a row `[F]`."""
    categories: tuple[str, ...]
    """Category of each position; empty for a numeric column."""
    is_integer: bool
    """True where all numbers of the column are whole."""
    low: float
    """Smallest value over all rows that were read; 0 for categories."""
    high: float
    """Largest value over all rows that were read; 1 for categories."""
    decimal_mark: str | None = None
    """Mark before the fraction of numbers in local form, `.` or `,`; None for plain numbers."""
    form: CellForm | None = None
    """How cells are written, in a table that was read whole."""

    def __post_init__(self) -> None:
        set_tuples(self)

    @property
    def step(self) -> float:
        """Distance of neighbouring values; 0 where they are continuous."""
        return self.form.step if self.form else float(self.is_integer)

    @property
    def is_constant(self) -> bool:
        """True where the column has one value in all rows."""
        return self.low == self.high or len(self.categories) == 1


@dataclass(frozen=True)
class FileColumn:
    """A column of the file, in the file's order."""

    name: str
    role: Literal["learnt", "constant", "key", "text"]
    """`constant`: one value in all rows; `key`: another in each row; `text`: left out, written as an empty cell."""
    text: str = ""
    """Value of a constant, or the pattern of keys (`data/tables/keys.py`). Empty: rows are numbered from 1."""


@dataclass(frozen=True)
class Dependence:
    """A column that follows from another one: it is rebuilt, not learnt."""

    column: str
    source: str
    """Column of categories that it follows from."""
    values: tuple[float | None, ...]
    """Its number, or the number of its category, for each category of the source; None: a gap."""


def column_from_json(fields: Mapping[str, Any]) -> Column:
    """Return the column that JSON describes."""
    form = fields.get("form")
    if form is None:
        return Column(**fields)
    refill = tuple((str(word), int(count)) for word, count in form.get("refill", ()))
    decimals = form.get("decimals")  # None is left out of JSON
    return Column(**{**fields, "form": CellForm(**{**form, "refill": refill, "decimals": decimals})})


def rebuild(array: NDArray[np.float32], source: Column, column: Column, dependence: Dependence) -> None:
    """Set a column of rows `[B, F]` to what follows from its source."""
    values = np.array([np.nan if value is None else value for value in dependence.values], np.float32)
    value = values[array[:, list(source.indices)].argmax(1)]
    if column.categories:
        value = np.eye(len(column.categories), dtype=np.float32)[value.astype(np.int64)]
    array[:, list(column.indices)] = value.reshape(len(array), -1)


def set_tuples(spec: object) -> None:
    """Replace lists in the fields of a frozen dataclass by tuples: JSON knows lists alone."""
    for name, value in vars(spec).items():
        if isinstance(value, list | tuple):
            object.__setattr__(spec, name, _as_tuple(value))


def _as_tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(_as_tuple(value) if isinstance(value, list | tuple) else value for value in values)

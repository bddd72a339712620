"""Rows of whole tables as numbers: gaps as NaN or a category, rare words as one, dates as days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.cells import to_number
from sparring.data.tables.columns import Misfit
from sparring.data.tables.dates import date_formats, to_days
from sparring.data.tables.number_forms import parse
from sparring.data.tables.profile import ENOUGH, is_gap
from sparring.engine.data_spec import Column
from sparring.engine.table_form import RARE

MAX_KNOWN = 100_000
"""Different cells of a column whose numbers are remembered."""


class CellReader:
    """Read the cells of one column: position in a row, and number to write there."""

    def __init__(self, column: Column, formats: Sequence[str]) -> None:
        assert column.form is not None
        self.column, self.form, self.formats = column, column.form, list(formats)
        self._index = dict(zip(column.categories, column.indices, strict=True)) if column.categories else None
        self._known: dict[str, tuple[int, float]] = {}

    def __call__(self, cell: str) -> tuple[int, float]:
        """Return position and number; raise Misfit on a word that the column has not."""
        if (known := self._known.get(cell)) is None:
            known = self._read(cell)
            if len(self._known) < MAX_KNOWN:
                self._known[cell] = known
        return known

    def _read(self, cell: str) -> tuple[int, float]:
        if self._index is not None:
            return self._word(cell, self._index), 1.0
        if is_gap(cell):
            return self.column.indices[0], np.nan
        mark = self.column.decimal_mark
        if self.formats:
            number = to_days(cell, self.formats)
        else:
            number = to_number(cell) if mark is None else parse(cell, mark)
        return self.column.indices[0], np.nan if number is None else number

    def _word(self, cell: str, index: Mapping[str, int]) -> int:
        """Return the position of a word, else that of rare words or gaps."""
        gap = self.form.gap
        word = cell if cell in index else cell.removesuffix(".")
        if word in index and word != RARE:
            return index[word]
        if is_gap(cell) and gap is not None:
            return index[gap]
        if (other := index.get(RARE, index.get(gap or "") if gap is not None else None)) is not None:
            return other
        raise Misfit(f"unknown category '{cell}' in '{self.column.name}'")


class WholeRowCoder:
    """Write the cells of rows as numbers."""

    def __init__(self, columns: Sequence[Column], header: Sequence[str], formats: Mapping[str, Sequence[str]]) -> None:
        place_of = {name: place for place, name in enumerate(header)}
        self._readers = [(place_of[c.name], CellReader(c, formats.get(c.name, ()))) for c in columns]

    def __call__(self, cells: Sequence[str], row: NDArray[np.float32]) -> None:
        """Write `cells` into a `row` `[F]` of zeros; raises Misfit where one does not fit its column."""
        for place, reader in self._readers:
            position, number = reader(cells[place])
            row[position] = number

    def remarks(self) -> list[str]:
        """Return notes on the cells: none beyond those of the plan."""
        return []


def formats_like(column: Column, counts: Mapping[str, int]) -> list[str]:
    """Return the formats of dates in new cells of a known column, that of the column first; none of other columns."""
    if column.form is None or not column.form.date:
        return []
    return list(dict.fromkeys([column.form.date, *date_formats(counts, ENOUGH)]))

"""What the measures of tables look at: one number a column, the class, and scaled values for distances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.codes import cells_of
from sparring.engine.data_spec import TableSpec
from sparring.measure.rivals.rivals import LabelledRows

Floats = NDArray[np.float64]
MAX_CLASSES = 20
"""Largest number of classes of a column that usefulness is measured by."""


class Supervised(NamedTuple):
    """Rows of a table with the classes that are to be predicted."""

    x: Floats
    """Cells `[N, columns]` without the class: numbers, numbers of categories, NaN for gaps."""
    y: NDArray[np.int64]
    """Number of the class, `[N]`."""
    is_word: NDArray[np.bool_]
    """Whether each column holds words, `[columns]`."""


def words_of(spec: TableSpec) -> NDArray[np.bool_]:
    """Return which columns hold words."""
    return np.array([bool(column.categories) for column in spec.columns], bool)


def with_gaps(spec: TableSpec, rows: NDArray[np.float32]) -> Floats:
    """Return cells `[N, columns]` with NaN for gaps of words as well."""
    cells = cells_of(spec, rows)
    for k, column in enumerate(spec.columns):
        if column.categories and column.form is not None and column.form.gap is not None:
            cells[cells[:, k] == len(column.categories) - 1, k] = np.nan
    return cells


def supervised(spec: TableSpec, data: LabelledRows) -> Supervised | None:
    """Return the rows with a class, by the column of the class or by their labels; None where there are no classes."""
    cells, is_word = cells_of(spec, data.rows), words_of(spec)
    names = [column.name for column in spec.columns]
    if spec.target in names:
        k = names.index(spec.target)
        if not 2 <= len(spec.columns[k].categories) <= MAX_CLASSES:
            return None
        return Supervised(np.delete(cells, k, 1), cells[:, k].astype(np.int64), np.delete(is_word, k))
    if not 2 <= len(spec.classes) <= MAX_CLASSES:
        return None
    known = data.labels >= 0
    return Supervised(cells[known], data.labels[known], is_word)


class Scaler:
    """Map rows to values for distances: numbers by their range in real rows, words one-hot, gaps as a value of theirs.

    Two rows that differ in one word, or in a number by the middle 98 % of its range, are at the squared distance 1.
    """

    def __init__(self, spec: TableSpec, real: NDArray[np.float32]) -> None:
        cells = cells_of(spec, real)
        self.spec, self.words = spec, words_of(spec)
        numbers = cells[:, ~self.words]
        empty = np.isnan(numbers).all(0)
        filled = np.where(empty, 0.0, numbers)
        self.low, self.middle, high = (
            np.nanquantile(filled, q, axis=0) if filled.shape[1] else np.zeros(0) for q in (0.01, 0.5, 0.99)
        )
        self.range = np.where(high > self.low, high - self.low, 1.0)

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return values `[N, d]`."""
        cells = cells_of(self.spec, rows)
        numbers = cells[:, ~self.words]
        missing = np.isnan(numbers)
        scaled = (np.where(missing, self.middle, numbers) - self.low) / self.range
        onehot = [np.asarray(rows[:, list(c.indices)]) / np.sqrt(2) for c in self.spec.columns if c.categories]
        return np.concatenate([scaled, missing, *onehot], 1).astype(np.float32)

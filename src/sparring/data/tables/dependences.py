"""Functional dependences between the columns of a table: one value of a column goes with one of another in all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.profile import MIN_COUNT
from sparring.engine.table_form import RARE, Dependence

if TYPE_CHECKING:
    from sparring.data.reader_api import Rows
    from sparring.engine.data_spec import Column, TableSpec

MAX_VALUES = 200
"""Largest number of different values of a column that is looked at."""
MAX_COLUMNS = 60
"""Largest number of columns that are looked at."""
MAX_ROWS = 200_000
SUPPORTED = 0.95
"""Fraction of the rows whose source value is in MIN_COUNT rows or more."""
VARIED = 0.9
"""Largest fraction of rows with the commonest value of a dependent column: else nearly all columns would be sources."""


def find_dependences(spec: TableSpec, rows: Rows, train: NDArray[np.int64]) -> tuple[Dependence, ...]:
    """Return the columns that follow from a column of words in all of the `train` rows, each with one source.

    A column that is a source is no dependent column.
    """
    subset = np.asarray(rows[train[:: max(len(train) // MAX_ROWS, 1)]])
    coded = list(filter(None, (_coded(column, subset) for column in spec.columns[: MAX_COLUMNS * 4])))
    sources, dependent = set[str](), dict[str, Dependence]()
    for target, values, codes in coded[:MAX_COLUMNS]:
        if target.name in sources or np.bincount(codes).max() > VARIED * len(codes):
            continue
        for source, names, source_codes in coded[:MAX_COLUMNS]:
            if source is target or not source.categories or source.name in dependent or len(names) < len(values):
                continue
            if (
                len(names) == len(values)
                and target.categories
                and spec.columns.index(source) > spec.columns.index(target)
            ):
                continue  # of two columns of words that say the same the first is the source
            if (mapped := _mapped(source, names, source_codes, values, codes)) is not None:
                dependent[target.name] = Dependence(target.name, source.name, mapped)
                sources.add(source.name)
                break
    return tuple(dependent.values())


def _coded(column: Column, rows: NDArray[np.float32]) -> tuple[Column, NDArray[np.float64], NDArray[np.int64]] | None:
    """Return a column, its different values, NaN last, and the code of each row; None where it has too many or one."""
    block = rows[:, list(column.indices)]
    value = block.argmax(1).astype(np.float64) if column.categories else block[:, 0].astype(np.float64)
    if not column.categories and len(np.unique(value[:2000])) > MAX_VALUES:
        return None
    values, codes = np.unique(value, return_inverse=True, equal_nan=True)
    return (column, values, codes) if 1 < len(values) <= MAX_VALUES else None


def _mapped(
    source: Column, names: NDArray[np.float64], source_codes: NDArray[np.int64], values: NDArray[np.float64],
    codes: NDArray[np.int64],
) -> tuple[float | None, ...] | None:  # fmt: skip
    """Return the value that goes with each category of the source; None where several do, or few rows show it."""
    pairs = np.unique(source_codes * len(values) + codes)
    if len(pairs) != len(names):
        return None
    counts = np.bincount(source_codes)
    if counts[counts >= MIN_COUNT].sum() < SUPPORTED * len(source_codes):
        return None
    if RARE in source.categories and source.categories.index(RARE) in names:
        return None
    of = {int(names[pair // len(values)]): float(values[pair % len(values)]) for pair in pairs}
    known = {k: None if np.isnan(value) else value for k, value in of.items()}
    commonest = known[int(names[counts.argmax()])]
    return tuple(known.get(k, commonest) for k in range(len(source.categories)))

"""Codes of table cells: words, single values that many rows hold, and ranges of numbers between them.

A forest learns on codes, and a sample is drawn from the code's range. So no range ends at the value of one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.profile import MIN_COUNT
from sparring.engine.data_spec import Column, TableSpec
from sparring.engine.table_form import RARE

MAX_CODES = 256
"""Largest number of codes of a column of numbers."""
SPIKE = 0.01
"""Fraction of the rows from which a value has a code of its own, of columns with too many values."""
RANGE_ROWS = 10
"""Rows in a range, at least."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnCodes:
    """Codes of a column; of a column of words the codes are its categories, and `low` and `high` their numbers."""

    low: Array
    """Smallest value of each code, not descending; NaN, last, for a gap."""
    high: Array
    """Largest value of each code; that of `low` for single values."""
    step: float
    """Distance of neighbouring values; 0 where they are continuous."""
    is_word: bool
    rare: int | None = None
    """Code of rare words, which is never sampled."""
    gap: int | None = None
    """Code of a gap among words."""

    def __len__(self) -> int:
        return len(self.low)

    def encode(self, values: Array) -> NDArray[np.int64]:
        """Return the code of each value `[N]`: the one that holds it, else the nearest."""
        if self.is_word:
            return values.astype(np.int64)
        count = len(self.low) - int(np.isnan(self.low).any())
        codes = np.full(len(values), count, np.int64)
        there = ~np.isnan(values)
        if not count:
            return codes
        low, high, value = self.low[:count], self.high[:count], values[there]
        code = np.clip(np.searchsorted(low, value, side="right") - 1, 0, count - 1)
        above = np.clip(code + 1, 0, count - 1)  # between two codes: a range before a single value, else the nearer one
        is_range = low < high
        nearer = np.where(is_range[code] == is_range[above], low[above] - value < value - high[code], is_range[above])
        code = np.where((value > high[code]) & nearer, above, code)
        if len(points := np.flatnonzero(low == high)):
            point = points[np.clip(np.searchsorted(low[points], value), 0, len(points) - 1)]
            code = np.where(low[point] == value, point, code)
        codes[there] = code
        return codes if count < len(self.low) else np.minimum(codes, count - 1)


def cells_of(spec: TableSpec, rows: NDArray[np.float32]) -> Array:
    """Return stored rows `[N, F]` as one number a column, `[N, columns]`: the category, or the value; NaN for gaps."""
    cells = np.empty((len(rows), len(spec.columns)))
    for k, column in enumerate(spec.columns):
        block = rows[:, column.indices[0] : column.indices[-1] + 1]
        cells[:, k] = block.argmax(1) if column.categories else block[:, 0]
    return cells


def learn_codes(spec: TableSpec, cells: Array) -> list[ColumnCodes]:
    """Return the codes of each column of cells `[N, columns]`."""
    return [_learn(column, cells[:, k]) for k, column in enumerate(spec.columns)]


def _learn(column: Column, values: Array) -> ColumnCodes:
    if column.categories:
        numbers = np.arange(len(column.categories), dtype=np.float64)
        rare = column.categories.index(RARE) if column.form and RARE in column.categories else None
        gap = len(numbers) - 1 if column.form and column.form.gap is not None else None
        return ColumnCodes(numbers, numbers, 0.0, True, rare, gap)
    step = column.step
    known = values[~np.isnan(values)]
    low, high = _ranges(known, step)
    if len(known) < len(values) or not len(low):
        low, high = np.append(low, np.nan), np.append(high, np.nan)
    return ColumnCodes(low, high, step, False)


def _ranges(values: Array, step: float) -> tuple[Array, Array]:
    """Return the ends of single values and of ranges, in ascending order without overlap."""
    unique, counts = np.unique(values, return_counts=True)
    common = counts >= MIN_COUNT
    if common.sum() > MAX_CODES // 2:
        common = counts >= max(SPIKE * len(values), MIN_COUNT)
    points = unique[common]
    rest = values[~np.isin(values, points)]
    ranges = _quantile_ranges(np.sort(rest), MAX_CODES - len(points), step)
    pieces = [(p, p) for p in points.tolist()] + _cut_at(ranges, points, step)
    pieces.sort()
    if not pieces and len(values):  # few rows: one range of all but the ends
        ordered = np.sort(values)
        k = min(MIN_COUNT - 1, (len(ordered) - 1) // 2)
        pieces = [(float(ordered[k]), float(ordered[-1 - k]))]
    return np.array([a for a, _ in pieces]), np.array([b for _, b in pieces])


def _quantile_ranges(values: Array, most: int, step: float) -> list[tuple[float, float]]:
    """Return ranges of about as many rows each; the outer ends are the MIN_COUNT-th values."""
    if len(values) < 2 * MIN_COUNT:
        return []
    inner = values[MIN_COUNT - 1 : len(values) - MIN_COUNT + 1]
    count = max(min(most, len(values) // RANGE_ROWS), 1)
    edges = np.unique(np.quantile(inner, np.linspace(0, 1, count + 1), method="nearest"))
    if len(edges) == 1:
        return [(float(edges[0]), float(edges[0]))]
    ends = np.append(edges[1:-1] - step, edges[-1])
    return [(float(a), float(b)) for a, b in zip(edges[:-1], ends, strict=True)]


def _cut_at(ranges: Sequence[tuple[float, float]], points: Array, step: float) -> list[tuple[float, float]]:
    """Return ranges without the single values within them."""
    pieces = list[tuple[float, float]]()
    for a, b in ranges:
        inside = points[(points >= a) & (points <= b)].tolist()
        edges = [a, *(edge for p in inside for edge in (p - step, p + step)), b]
        pieces += [
            (x, y) for x, y in zip(edges[::2], edges[1::2], strict=True) if (x <= y + step / 2 if step else x < y)
        ]
    return pieces

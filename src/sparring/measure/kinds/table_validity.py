"""Validity of made rows, repeats among them, and copies of training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.codes import cells_of
from sparring.engine.data_spec import TableSpec
from sparring.measure.kinds.kind_measures import Comparison
from sparring.stats.intervals import Interval, wilson_interval


def validity(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the proportions of valid rows, of rows that another sample repeats, and of copies of training rows."""
    rows, training = comparison.samples.rows, comparison.training.rows
    valid = valid_rows(comparison.spec, rows, training)
    keys, known = [row.tobytes() for row in rows], {row.tobytes() for row in training}
    counts = Counter(keys)
    return {
        "valid_rows": _proportion(int(valid.sum()), len(rows)),
        "repeated_rows": _proportion(sum(counts[key] > 1 for key in keys), len(rows)),
        "copied_rows": _proportion(sum(key in known for key in keys), len(rows)),
    }


def valid_rows(spec: TableSpec, rows: NDArray[np.float32], training: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which rows meet all types, the ranges of the training rows, their gaps, and the dependences."""
    cells, known = cells_of(spec, rows), cells_of(spec, training)
    valid = np.ones(len(rows), bool)
    names = [column.name for column in spec.columns]
    for k, column in enumerate(spec.columns):
        values, real = cells[:, k], known[:, k]
        if column.categories:
            block = rows[:, list(column.indices)]
            valid &= (block.sum(1) == 1) & (block.max(1) == 1)
            continue
        gap = np.isnan(values)
        if not np.isnan(real).any():
            valid &= ~gap
        if np.isnan(real).all():
            continue
        inside = (values >= np.nanmin(real)) & (values <= np.nanmax(real))
        valid &= gap | inside
        if column.is_integer:
            valid &= gap | (values == np.round(values))
    for dependence in spec.dependences:
        values = np.array([np.nan if v is None else v for v in dependence.values])
        source, dependent = (cells[:, names.index(name)] for name in (dependence.source, dependence.column))
        expected = values[source.astype(np.int64)]
        valid &= (expected == dependent) | (np.isnan(expected) & np.isnan(dependent))
    return valid


def _proportion(hits: int, total: int) -> Interval:
    return Interval(hits / total, *wilson_interval(hits, total))

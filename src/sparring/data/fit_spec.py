"""What a spec learns from the rows that were read: mean and deviation of channels, bounds of columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.mmap_io import let_go
from sparring.engine.data_spec import AudioSpec, Column, DataSpec, SeriesSpec, TableSpec
from sparring.engine.series_code import fit_codes

CHUNK_ROWS = 256
CODE_ROWS = 4096
"""Series from which the code of a generator is fitted."""
COVERED = 0.99
"""Fraction of the training recordings that end within the length of generated ones."""


@singledispatch
def fit_spec(spec: DataSpec, rows: NDArray[Any], used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
    """Return `spec` with its statistics: `used` rows hold examples, `train` are those to train on."""
    return spec


@fit_spec.register
def _(spec: SeriesSpec, rows: NDArray[Any], used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
    """Add mean, standard deviation and requested code of each channel over the training series, unless known."""
    if spec.code and spec.codes is None:
        sample = rows[np.sort(np.random.default_rng(0).permutation(train)[:CODE_ROWS])]
        spec = replace(spec, codes=fit_codes(sample, spec.code))
    if spec.mean:
        return spec
    count = len(train) * spec.length
    mean = sum(chunk.sum((0, 2), np.float64) for chunk in _chunks(rows, train)) / count
    squares = (((chunk - mean[:, None]) ** 2).sum((0, 2), np.float64) for chunk in _chunks(rows, train))
    std = np.sqrt(sum(squares) / count)
    return replace(spec, mean=tuple(mean.tolist()), std=tuple(np.where(std > 0, std, 1.0).tolist()))


@fit_spec.register
def _(spec: AudioSpec, rows: NDArray[Any], used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
    """Add the length within which nearly all training recordings end, unless it is known."""
    if spec.covered:
        return spec
    lengths = np.concatenate([sound_lengths(chunk) for chunk in _chunks(rows, train)])
    return replace(spec, covered=max(int(np.quantile(lengths, COVERED, method="higher")), 1))


def sound_lengths(rows: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the samples of each recording `[N, T]` up to its last sound, `[N]`; 0 where all are silent."""
    sounding = rows != 0
    return np.where(sounding.any(1), rows.shape[1] - sounding[:, ::-1].argmax(1), 0)


@fit_spec.register
def _(spec: TableSpec, rows: NDArray[Any], used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
    """Widen the bounds of numeric columns to the rows."""
    low, high = np.full(spec.shape, np.inf), np.full(spec.shape, -np.inf)
    for chunk in _chunks(rows, used):
        low, high = np.minimum(low, chunk.min(0)), np.maximum(high, chunk.max(0))
    return replace(spec, columns=tuple(_widened(column, low, high) for column in spec.columns))


def _widened(column: Column, low: NDArray[np.float64], high: NDArray[np.float64]) -> Column:
    if column.categories:
        return column
    (k,) = column.indices
    a, b = float(low[k]), float(high[k])
    if column.low <= column.high and (column.low, column.high) != (0.0, 0.0):  # of the model's data
        a, b = min(a, column.low), max(b, column.high)
    return replace(column, low=a, high=b)


def _chunks(rows: NDArray[Any], idx: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    """Yield the rows `idx` by chunks, and hand their memory back."""
    for part in np.array_split(idx, -(-len(idx) // CHUNK_ROWS)):
        yield rows[part]
        let_go(rows)

"""Fill the gaps of a table by a generator that knows the distribution of its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.data.open import open_rows, open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.tables.codes import ColumnCodes, cells_of
from sparring.data.tables.formula_guard import guard
from sparring.data.tables.profile import is_gap
from sparring.data.tables.write_cells import file_table
from sparring.engine.data_spec import TableSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.table_form import RARE
from sparring.models.generator import GeneratorModel
from sparring.nets.leaf_tables import LeafTables

CHUNK_VALUES = 20_000_000
"""Largest number of (row, leaf) pairs at a time."""


def impute(model: GeneratorModel, source: Path, seed: int) -> tuple[list[str], list[list[str]], int]:
    """Return header and cells of a table with its gaps filled, and how many were; all other cells stay as they are.

    Each row's gaps are one draw from their distribution given its other cells. Raises UsageError where the generator
    cannot be conditioned.
    """
    net, spec = model.generator, model.spec
    if not isinstance(net, LeafTables):
        raise UsageError(f"--given {source}: {model.recipe.name} cannot fill gaps; --recipe arf can")
    options = ReadOptions(kind="table")
    data = open_source(source, options, like=spec).split(None)
    header, lines = open_rows(source, options)
    if len(lines) != len(data):
        raise SparringError(f"{source} has rows that cannot be used: `sparring inspect {source}` lists them")
    rows = data[np.arange(len(data))]
    texts = [list(row) for row in file_table(spec, filled_rows(net, spec, rows, seed), seed).rows]
    place = {column.name: k for k, column in enumerate(spec.written)}
    learnt = [(header.index(column.name), place[column.name]) for column in spec.columns]
    count = 0
    for cells, text in zip(lines, texts, strict=True):
        for here, there in learnt:
            if is_gap(cells[here]):
                cells[here] = text[there]
                count += 1
    return header, [[guard(cell) for cell in cells] for cells in lines], count


def filled_rows(net: LeafTables, spec: TableSpec, rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return stored rows `[N, F]` whose gaps are drawn given the other cells; no gap is drawn."""
    cells, gaps = cells_of(spec, rows), gaps_of(spec, rows)
    codes, without = _codes(net, spec, cells, gaps), _without_gaps(net, spec)
    rng = np.random.default_rng([seed, 41])
    filled, size = rows.copy(), max(CHUNK_VALUES // net.leaves, 1)
    for first in range(0, len(rows), size):
        part = slice(first, first + size)
        logs = without.log_leaf(torch.from_numpy(codes[part])).double()
        sums = (logs - logs.max(1, keepdim=True).values).exp().cumsum(1)
        u = torch.from_numpy(rng.random((len(logs), 1)))
        leaf = torch.searchsorted(sums, u * sums[:, -1:])[:, 0].clamp(max=net.leaves - 1)
        uniform = torch.from_numpy(rng.random((len(logs), 2 * len(spec.columns))))
        filled[part] = _with_known(spec, without.rows_in(leaf, uniform).numpy(), rows[part], gaps[part])
    return _rebuilt(spec, filled, gaps)


def gaps_of(spec: TableSpec, rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which cells `[N, columns]` hold no value; a rare word counts as known."""
    cells = cells_of(spec, rows)
    for k, column in enumerate(spec.columns):
        if column.categories and column.form is not None and column.form.gap is not None:
            cells[cells[:, k] == len(column.categories) - 1, k] = np.nan
    return np.isnan(cells)


def _codes(net: LeafTables, spec: TableSpec, cells: Any, gaps: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the codes of the cells, -1 for gaps, rare words and rebuilt columns."""
    codes = np.full(cells.shape, -1, np.int64)
    for k in spec.learnt:
        column = spec.columns[k]
        low, high = (side[int(net.first[k]) : int(net.first[k + 1])].numpy() for side in (net.low, net.high))
        step = column.step
        known = ~gaps[:, k]
        codes[known, k] = ColumnCodes(low, high, step, bool(column.categories)).encode(cells[known, k])
        if RARE in column.categories:
            codes[codes[:, k] == column.categories.index(RARE), k] = -1
    return codes


def _without_gaps(net: LeafTables, spec: TableSpec) -> LeafTables:
    """Return the mixture in whose leaves no column draws a gap, where the leaf has a value."""
    weights = torch.ones_like(net.low)
    for k, column in enumerate(spec.columns):
        of_column = slice(int(net.first[k]), int(net.first[k + 1]))
        if not column.categories:
            weights[of_column] = (~net.low[of_column].isnan()).double()
        elif column.form is not None and column.form.gap is not None:
            weights[of_column.stop - 1] = 0
    return net.restricted(weights.clamp(min=1e-9), net.low, net.high)


def _rebuilt(spec: TableSpec, rows: NDArray[np.float32], gaps: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return rows whose dependent columns follow from their sources, but for cells that are given."""
    return _with_known(spec, spec.decode(torch.from_numpy(rows)), rows, gaps)


def _with_known(
    spec: TableSpec, fake: NDArray[np.float32], rows: NDArray[np.float32], gaps: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the cells of `rows` where they are known, else those of `fake`."""
    known = np.empty(rows.shape, bool)
    for k, column in enumerate(spec.columns):
        known[:, list(column.indices)] = ~gaps[:, k : k + 1]
    return np.where(known, rows, fake)

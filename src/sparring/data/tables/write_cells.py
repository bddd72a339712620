"""Stored table rows as the cells of a file: numbers with its decimals, dates in its format, keys, constants, gaps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.dates import from_days
from sparring.data.tables.formula_guard import guard
from sparring.data.tables.keys import make_keys
from sparring.engine.data_spec import Column, TableSpec
from sparring.engine.seeds import mix
from sparring.engine.table_form import RARE, CellForm

Rows = NDArray[np.float32]


class WrittenTable(NamedTuple):
    """A table as text."""

    header: list[str]
    rows: Iterator[list[str]]
    guarded: int
    """Words of the table that begin like a formula: each is written after an apostrophe."""


def file_table(spec: TableSpec, rows: Rows, seed: int = 0) -> WrittenTable:
    """Return rows `[N, F]` as the cells of the file, in its order of columns; `seed` chooses words for rare ones."""
    by_name = {column.name: column for column in spec.columns}
    names = [w.name for w in spec.written] or [column.name for column in spec.columns]
    roles = {w.name: w for w in spec.written}
    texts = []
    for number, name in enumerate(names):
        role = roles[name].role if name in roles else "learnt"
        if role == "learnt":
            texts.append(_column_texts(by_name[name], rows, np.random.default_rng(mix(seed, number))))
        elif role == "key":
            texts.append(make_keys(roles[name].text, len(rows)))
        else:
            texts.append([roles[name].text if role == "constant" else ""] * len(rows))
    words = {cell for cells in texts for cell in set(cells)} | set(names)
    guarded = {cell: guard(cell) for cell in words}
    count = sum(cell != after for cell, after in guarded.items())
    lines = ([guarded[cell] for cell in cells] for cells in zip(*texts, strict=True))
    return WrittenTable([guarded[name] for name in names], lines, count)


def _column_texts(column: Column, rows: Rows, rng: np.random.Generator) -> list[str]:
    block = rows[:, column.indices[0] : column.indices[-1] + 1]
    if column.categories:
        words = [column.categories[k] for k in block.argmax(1).tolist()]
        return _refilled(words, column.form, rng) if column.form else words
    write = number_writer(column)
    known: dict[float, str] = {}
    return [known[v] if v in known else known.setdefault(v, write(v)) for v in block[:, 0].tolist()]


def _refilled(words: list[str], form: CellForm, rng: np.random.Generator) -> list[str]:
    """Return words with others in place of rare ones, by their frequency."""
    holes = [k for k, word in enumerate(words) if word == RARE]
    if not holes or not form.refill:
        return [form.gap or "" if word == RARE else word for word in words]
    counts = np.array([count for _, count in form.refill], float)
    for k, choice in zip(holes, rng.choice(len(counts), len(holes), p=counts / counts.sum()).tolist(), strict=True):
        words[k] = form.refill[choice][0]
    return words


def number_writer(column: Column) -> Callable[[float], str]:
    """Return what writes the numbers of a column as its file does."""
    form = column.form
    if form is None:
        return lambda value: np.format_float_positional(np.float32(value), trim="-")
    gap = form.gap or ""
    if form.date:
        return lambda value: gap if math.isnan(value) else from_days(value, form.date)
    decimals, mark = form.decimals, column.decimal_mark

    def write(value: float) -> str:
        if math.isnan(value):
            return gap
        if decimals is None:
            text = np.format_float_positional(np.float32(value), trim="-")
        else:
            text = f"{value:.{decimals}f}"
            text = text.rstrip("0").rstrip(".") if form.trim and "." in text else text
        text = "0" if text == "-0" else text
        return text.replace(".", ",") if mark == "," else text

    return write


def texts_of(spec: TableSpec, row: Rows) -> Sequence[str]:
    """Return the cells of one row `[F]`, of the columns that rows hold."""
    return [_column_texts(column, row[None], np.random.default_rng(0))[0] for column in spec.columns]

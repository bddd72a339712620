"""Formats of files of samples, by the kind of data: which ones there are, and what they hold."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.commands.reporting.progress import Progress
from sparring.data.tables.formula_guard import guard
from sparring.data.tables.write_cells import file_table
from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec, PairSpec, SeriesSpec, TableSpec
from sparring.report.format import csv_text

CLASS_COLUMN = "class"
"""Column of the class in csv files whose source has no column of it."""
FORMATS = {".png": ".png (a grid)", ".npz": ".npz (an array)", ".csv": ".csv", "": "a folder without a suffix"}
"""How suffixes of --out are described."""


@singledispatch
def formats_of(spec: DataSpec) -> tuple[str, ...]:
    """Return the suffixes of files that hold samples, the default first; an empty one is a folder."""
    return (".npz",)


@formats_of.register
def _(spec: ImageSpec) -> tuple[str, ...]:
    return (".png", ".npz", "")


@formats_of.register
def _(spec: TableSpec) -> tuple[str, ...]:
    return (".csv", ".npz")


@formats_of.register
def _(spec: PairSpec) -> tuple[str, ...]:
    return ("", ".npz", ".png")


@formats_of.register
def _(spec: AudioSpec) -> tuple[str, ...]:
    return ("", ".npz", ".png")


@formats_of.register
def _(spec: SeriesSpec) -> tuple[str, ...]:
    return (".csv", ".npz", ".png")


@singledispatch
def csv_of(spec: Any, rows: NDArray[Any], words: Iterable[str]) -> str:
    """Return samples as the text of a csv file: a line for each row of a table, with its class where it has `words`."""
    table = file_table(spec, rows)
    if table.guarded:
        Progress().info(f"note: {table.guarded} different cells begin like a formula: an apostrophe stands before them")
    if spec.is_whole or not any(named := list(words)):  # a whole table has its class among the columns
        return csv_text(table.header, table.rows)
    lines = ([*line, guard(word)] for line, word in zip(table.rows, named, strict=True))
    return csv_text([*table.header, guard(spec.target or _class_column(table.header))], lines)


@csv_of.register
def _(spec: SeriesSpec, rows: NDArray[Any], words: Iterable[str]) -> str:
    """Return series in long form: the numbers of window and step, the channels, and the class where there are words."""
    named = list(words)
    shown = any(named)
    lines = (
        [str(window), str(step), *(np.format_float_positional(value, trim="-") for value in values),
         *([guard(named[window])] if shown else [])]
        for window, row in enumerate(rows)
        for step, values in enumerate(row.T)
    )  # fmt: skip
    return csv_text(["window", "step", *spec.channels, *([_class_column(spec.channels)] if shown else [])], lines)


def _class_column(taken: Sequence[str]) -> str:
    """Return a name for the column of the class that no other column has."""
    return next(name for k in itertools.count() if (name := CLASS_COLUMN + "_" * k) not in taken)


def npz_of(rows: NDArray[Any]) -> bytes:
    """Return the content of a .npz file: `arr_0`, or an array for each half of pairs."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {name: rows[name] for name in rows.dtype.names or ()} or {"arr_0": rows}
    np.savez(content, **arrays)
    return content.getvalue()

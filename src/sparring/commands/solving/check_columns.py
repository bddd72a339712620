"""Check the columns of tables, and what image files tell beside their pixels, for what gives the class away."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.data.images.file_facts import file_facts
from sparring.data.open import open_cells, open_files
from sparring.data.reader_api import ReadOptions
from sparring.data.time_series import time_parser
from sparring.engine.data_spec import DataSpec, ImageSpec, TableSpec
from sparring.measure.diagnostics.finding import Finding
from sparring.measure.leaks.shared_groups import later_training_rows, names_groups, shared_groups
from sparring.measure.leaks.single_columns import SingleColumn, single_columns
from sparring.report.format import percent

MAX_ROWS = 20_000
"""Largest number of rows of each split that simple classifiers and checks see."""
MAX_FILES = 2_000
"""Largest number of image files that are looked into."""
MAX_NAMED = 3
MIXED_TIMES = 0.2
"""Proportion of training rows later than the median test row from which the splits are mixed in time; at random .5."""


@singledispatch
def check_columns(spec: DataSpec, data: Dataset, source: str, options: ReadOptions) -> list[Finding]:
    """Return findings on columns that tell the class, or that both splits share; `data` is the training split."""
    return []


@check_columns.register
def _(spec: TableSpec, data: Dataset, source: str, options: ReadOptions) -> list[Finding]:
    labelled = at_most(data.select(np.flatnonzero(data.labels >= 0)), MAX_ROWS)
    columns = columns_of(spec, labelled[np.arange(len(labelled))].astype(np.float64)) if len(labelled) else {}
    results = single_columns(columns, labelled.labels, np.random.default_rng(0)) if columns else []
    return [*_table_findings(results), *_splits(data, source, options)]


@check_columns.register
def _(spec: ImageSpec, data: Dataset, source: str, options: ReadOptions) -> list[Finding]:
    files = open_files(source, options)
    labelled = at_most(data.select(np.flatnonzero(data.labels >= 0)), MAX_FILES)
    if files is None or not set(labelled.names) <= set(files.names):  # arrays, or IDX files
        return []
    columns = file_facts(files, labelled.names)
    results = single_columns(columns, labelled.labels, np.random.default_rng(0)) if columns else []
    leaks = [column for column in results if column.is_leak]
    if not leaks:
        return []
    message = f"The class can be read from the files, without their pixels: {_names(leaks)}."
    advice = "if the classes come from different cameras or sizes, the network may learn these: mix them"
    return [Finding("leak", "notice", message, _evidence(leaks[0]), advice)]


def at_most(data: Dataset, count: int) -> Dataset:
    """Return the examples, or `count` of them drawn at random: sources may be sorted by class."""
    return data.select(np.sort(np.random.default_rng(0).permutation(len(data))[: max(count, 1)]))


@singledispatch
def columns_of(spec: DataSpec, rows: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a table by name, as numbers or codes `[N]`; other data have none."""
    return {}


@columns_of.register
def _(spec: TableSpec, rows: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    return {
        column.name: (rows[:, column.indices].argmax(1) if column.categories else rows[:, column.indices[0]]) * 1.0
        for column in spec.columns
    }


def _table_findings(results: list[SingleColumn]) -> list[Finding]:
    """Tell the columns that give the class away by themselves."""
    leaks = [column for column in results if column.is_leak]
    if not results:
        return []
    if not leaks:
        best = results[0]
        evidence = f"'{best.name}' avoids {percent(max(best.avoided, 0))} of the errors of the commonest class"
        return [Finding("leak", "ok", "No column tells the class by itself.", evidence)]
    advice = f"--drop {leaks[0].name}, unless it is known before the class is"
    message = f"The class can be read from one column: {_names(leaks)}."
    return [Finding("leak", "problem", message, _evidence(leaks[0]), advice)]


def _names(columns: list[SingleColumn]) -> str:
    return ", ".join(f"'{column.name}'" for column in columns[:MAX_NAMED])


def _evidence(column: SingleColumn) -> str:
    return f"{column.errors.hits} errors in {column.errors.total} rows by '{column.name}' alone"


def _splits(data: Dataset, source: str, options: ReadOptions) -> list[Finding]:
    """Find persons and places in both splits, and training rows that are later than test rows."""
    full = data.split(None)
    tested = set(data.split("test").names)
    if len(full) > MAX_ROWS or not tested:
        return []
    table = open_cells(source, options)
    if table is None or not set(full.names) <= table[1].keys():
        return []
    header, cells = table
    rows = [cells[name] for name in full.names]
    is_test = np.array([name in tested for name in full.names])
    columns = {name: [row[k].strip() for row in rows] for k, name in enumerate(header) if name != data.spec.target}
    return [*_shared(columns, is_test), *_mixed_times(columns, is_test)]


def _shared(columns: Mapping[str, list[str]], is_test: NDArray[np.bool_]) -> list[Finding]:
    findings = []
    for name, values in columns.items():
        if names_groups(name) and (groups := shared_groups(values, is_test)) and groups.shared:
            message = f"{len(groups.shared):,} of {groups.total:,} values of '{name}' are in both splits."
            evidence = f"such as '{groups.shared[0]}'"
            advice = "if each is one person, device or place, the figure holds for these alone: split by them"
            findings.append(Finding("leak", "notice", message, evidence, advice))
    return findings


def _mixed_times(columns: Mapping[str, list[str]], is_test: NDArray[np.bool_]) -> list[Finding]:
    findings = []
    for name, values in columns.items():
        present = [value for value in values if value]
        parse = time_parser(present[:MAX_FILES]) if present and not _all_numbers(present) else None
        if parse is None:
            continue
        times = np.array([np.nan if (time := parse(value)) is None else time for value in values])
        if (later := later_training_rows(times, is_test)) >= MIXED_TIMES:
            message = f"Training rows are later than test rows by '{name}': the figure is not that of a forecast."
            evidence = f"{percent(later)} of training rows are later than the median test row"
            advice = "to predict the future, put the latest rows into a file of their own, such as test.csv"
            findings.append(Finding("leak", "notice", message, evidence, advice))
    return findings


def _all_numbers(values: list[str]) -> bool:
    return all(value.replace(",", ".").lstrip("+-").replace(".", "", 1).isdigit() for value in values)

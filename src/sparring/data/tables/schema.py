"""Public schemas of tables: columns, kinds, bounds and vocabularies that are known without looking at the rows.

A private table is read by such a file alone. Bounds and vocabularies that are taken from the data reveal the rows that
hold them; so a schema is written by hand, from a code book or from common knowledge.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.cells import MISSING, to_number
from sparring.engine.data_spec import Column, TableSpec
from sparring.engine.errors import UsageError, did_you_mean

EXAMPLE = """{"label": "income", "columns": [
  {"name": "age", "kind": "integer", "low": 17, "high": 90},
  {"name": "hours", "kind": "integer", "edges": [0, 20, 35, 40, 41, 50, 60, 100]},
  {"name": "height", "kind": "number", "low": 1.2, "high": 2.2},
  {"name": "income", "kind": "category", "values": ["<=50K", ">50K"]}
]}"""
"""A schema, for messages and documents."""
HOW_TO = (
    "write a JSON file with the name, kind and range of each column, from what is publicly known of them, not from the "
    f"rows; leave columns out that are not to be in the samples. For example:\n{EXAMPLE}"
)
"""Way out where there is no schema."""
FIELDS = {"integer": {"low", "high", "edges"}, "number": {"low", "high", "edges"}, "category": {"values"}}
"""Kind of a column -> its further fields."""


@dataclass(frozen=True)
class SchemaColumn:
    """A column: categories, or numbers between edges."""

    name: str
    kind: str
    """`integer`, `number` or `category`."""
    values: tuple[str, ...] = ()
    """Categories; `?` means an empty cell as well."""
    edges: tuple[float, ...] = ()
    """Ends of the ranges of numbers, ascending. A number in [edges[k], edges[k + 1]) has code k."""

    def code(self, cell: str) -> int | None:
        """Return the code of a cell; None where it does not fit. Numbers beyond the edges count as at the edge."""
        if self.kind == "category":
            cell = "?" if cell in MISSING else cell
            return self.values.index(cell) if cell in self.values else None
        if (number := to_number(cell)) is None:
            return None
        return int(np.clip(np.searchsorted(self.edges, number, side="right") - 1, 0, len(self.edges) - 2))


@dataclass(frozen=True)
class Schema:
    """The columns of a table, and which of them is the class."""

    columns: tuple[SchemaColumn, ...]
    label: str = ""

    def spec(self, count: int) -> TableSpec:
        """Return the spec of a table of `count` rows: all columns in the order of the schema."""
        columns, position = list[Column](), 0
        for column in self.columns:
            size = len(column.values) or 1
            indices = tuple(range(position, position + size))
            low, high = (column.edges[0], column.edges[-1]) if column.edges else (0.0, 1.0)
            columns.append(Column(column.name, indices, column.values, column.kind == "integer", low, high))
            position += size
        return TableSpec(tuple(columns), "", count=count)

    def codes(self, header: list[str], rows: list[list[str]]) -> NDArray[np.int64]:
        """Return the codes `[N, columns]` of rows; raise UsageError, naming the column, where one does not fit.

        No message holds a value, a line or a number of rows.
        """
        for column in self.columns:
            if column.name not in header:
                hint = did_you_mean(column.name, header)
                raise UsageError(f"the schema has a column '{column.name}' that the table has not: {hint}")
        codes = np.empty((len(rows), len(self.columns)), np.int64)
        for j, column in enumerate(self.columns):
            position, known = header.index(column.name), dict[str, int | None]()
            for k, row in enumerate(rows):
                cell = row[position].strip()
                if cell not in known:
                    known[cell] = column.code(cell)
                if (code := known[cell]) is None:
                    what = "a value that is not among its `values`" if column.values else "a cell that is no number"
                    raise UsageError(
                        f"column '{column.name}' of the table holds {what} in the schema: complete the schema from "
                        'public knowledge ("?" among `values` takes empty cells), or leave the column out of it'
                    )
                codes[k, j] = code
        return codes


def read_schema(path: str | Path | None, bins: int) -> Schema:
    """Read a schema; raise UsageError where there is none, or it is wrong. `bins` cut numbers without edges."""
    if path is None:
        raise UsageError(f"a private table needs a public schema, --schema FILE.json: {HOW_TO}")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--schema {path} cannot be read ({error.strerror}): {HOW_TO}") from error
    except ValueError as error:
        raise UsageError(f"--schema {path} is no JSON ({error}): {HOW_TO}") from error
    listed = content.get("columns") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed or content.keys() - {"columns", "label"}:
        raise UsageError(f"--schema {path} must hold `columns`, a list, and may hold `label`: {HOW_TO}")
    columns = tuple(_column(fields, k, bins) for k, fields in enumerate(listed))
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise UsageError(f"--schema {path} names a column twice: leave one of them out")
    label = str(content.get("label", ""))
    check_label(label, columns)
    return Schema(columns, label)


def check_label(label: str, columns: tuple[SchemaColumn, ...]) -> None:
    """Raise UsageError where the label is no column of categories."""
    categories = [column.name for column in columns if column.values]
    if label and label not in categories:
        raise UsageError(f"the label '{label}' is no category column of the schema: {did_you_mean(label, categories)}")


def _column(fields: Any, number: int, bins: int) -> SchemaColumn:
    """Return one column of a schema; raise UsageError where it is wrong."""
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
        raise UsageError(f"column {number} of the schema has no name: {HOW_TO}")
    name, kind = fields["name"], str(fields.get("kind"))
    if kind not in FIELDS:
        raise UsageError(f"column '{name}' of the schema has kind '{kind}': one of {', '.join(FIELDS)}")
    if unknown := sorted(fields.keys() - FIELDS[kind] - {"name", "kind"}):
        raise UsageError(f"column '{name}' of the schema has a field '{unknown[0]}': {', '.join(sorted(FIELDS[kind]))}")
    if kind == "category":
        values = fields.get("values")
        if not isinstance(values, list) or not values or len(set(map(str, values))) < len(values):
            raise UsageError(f"column '{name}' of the schema needs `values`, a list of different words")
        return SchemaColumn(name, kind, tuple(map(str, values)))
    return SchemaColumn(name, kind, edges=_edges(name, kind, fields, bins))


def _edges(name: str, kind: str, fields: Mapping[str, Any], bins: int) -> tuple[float, ...]:
    """Return the edges that are given, or those of up to `bins` ranges of equal width from low to high."""
    given = fields.get("edges", [fields.get("low"), fields.get("high")])
    try:
        edges = tuple(float(edge) for edge in given)
        ascending = len(edges) > 1 and all(a < b for a, b in zip(edges, edges[1:], strict=False))
    except (TypeError, ValueError):
        ascending = False
    if not ascending or not all(map(math.isfinite, edges)):
        raise UsageError(f"column '{name}' of the schema needs `low` below `high`, or ascending `edges`")
    if "edges" in fields:
        if len(edges) - 1 > bins:
            raise UsageError(f"column '{name}' of the schema has {len(edges) - 1} ranges: --bins allows {bins}")
        return edges
    if kind == "number":
        return tuple(np.linspace(edges[0], edges[1], bins + 1).tolist())
    low, end = math.floor(edges[0]), math.floor(edges[1]) + 1  # `high` is a possible value
    return tuple(np.unique(np.linspace(low, end, min(bins, end - low) + 1).round()).tolist())

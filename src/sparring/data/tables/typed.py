"""Tables whose columns have types, parquet files and NumPy arrays, as rows of text cells like those of text tables."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from sparring.data.files.archive import Container
from sparring.data.mmap_io import let_go
from sparring.data.numpy_io import class_labels, numpy_names, open_entries
from sparring.data.roles.arrays import pair_arrays
from sparring.data.tables.parquet_cells import explaining
from sparring.engine.errors import SparringError

CHUNK_ROWS = 4096
COLUMN_NAMES = "columns", "feature_names"
"""Entries of an `.npz` that may name its columns."""
LABEL = "y"
"""Name of the column that holds the labels of an array."""


@dataclass
class ParquetTable:
    """One parquet file, read piece by piece."""

    name: str
    header: list[str]
    split: Literal["train", "test"]
    file: Any
    """`pyarrow.parquet.ParquetFile`."""
    nested: dict[str, str]
    """Columns whose values are no single ones -> their types."""
    notes: list[str] = field(default_factory=list)
    place: str = "row {}"
    label: str | None = None
    """Column of the class, where the file names it."""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield number and cells of each row; those of nested columns are empty."""
        number = 0
        plain = [name for name in self.header if name not in self.nested]
        with explaining(self.name):
            for batch in self.file.iter_batches(CHUNK_ROWS, columns=plain):
                columns = {
                    name: map(_to_text, column.to_pylist()) for name, column in zip(plain, batch.columns, strict=True)
                }
                empty = [""] * batch.num_rows
                for cells in zip(*(columns.get(name, empty) for name in self.header), strict=True):
                    yield number, list(cells)
                    number += 1


@dataclass
class ArrayTable:
    """An array `[N, F]` of numbers, with labels `[N]` as its last column where there are any."""

    name: str
    header: list[str]
    split: Literal["train", "test"]
    values: NDArray[Any]
    labels: list[str | None] | None
    notes: list[str] = field(default_factory=list)
    place: str = "row {}"
    label: str | None = None
    """Column of the class, where there are labels."""
    nested: dict[str, str] = field(default_factory=dict)
    """Columns whose values are no single ones: there are none."""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield number and cells of each row."""
        for start in range(0, len(self.values), CHUNK_ROWS):
            chunk = self.values[start : start + CHUNK_ROWS]
            for number, row in enumerate(chunk.tolist(), start):
                cells = [_to_text(value) for value in row]
                if self.labels is not None:
                    cells.append(self.labels[number] or "")
                yield number, cells
            let_go(self.values)


def open_parquet_table(container: Container, name: str) -> ParquetTable:
    """Open a parquet file. Needs pyarrow (`pip install sparring[tables]`); raises SparringError on a damaged file."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise SparringError(f"{name} is parquet, which needs pyarrow: pip install 'sparring[tables]'") from error
    with explaining(name):
        file = pq.ParquetFile(container.place(name) or io.BytesIO(container.read(name)))
        fields = list(file.schema_arrow)
    nested = {f.name: str(f.type) for f in fields if pa.types.is_nested(f.type) or pa.types.is_binary(f.type)}
    return ParquetTable(name, [f.name for f in fields], "train", file, nested)


def open_array_tables(container: Container, given: Sequence[str]) -> list[ArrayTable]:
    """Open the arrays `[N, F]` of a container's NumPy files as tables; `given` are the names of their columns."""
    names = numpy_names(container)
    entries = open_entries(container, names)
    tables = []
    for x, y, split in pair_arrays(list(entries)):
        values, name = entries[x](), entries[x].name
        if values.ndim != 2 or values.dtype.kind not in "uifb":
            raise SparringError(
                f"{name} is {values.dtype} of shape {list(values.shape)}: a table is an array [N, F] of numbers"
            )
        header = list(given) or next(
            ([str(n) for n in entries[key]().tolist()] for key in COLUMN_NAMES if key in entries),
            [str(k) for k in range(values.shape[1])],
        )
        if len(header) != values.shape[1]:
            raise SparringError(f"{name} has {values.shape[1]} columns, and {len(header)} names for them")
        labels = class_labels(entries[y](), y) if y in entries else None
        if labels is not None and len(labels) != len(values):
            raise SparringError(f"{name} has {len(values):,} rows, and {y} {len(labels):,} labels")
        label = None if labels is None else LABEL
        tables.append(ArrayTable(name, [*header, *([label] if label else [])], split, values, labels, label=label))
    if len({table.values.shape[1] for table in tables}) > 1:
        widths = " and ".join(f"{table.name} {table.values.shape[1]}" for table in tables)
        raise SparringError(f"the arrays of {container.path} differ in their columns, {widths}: give all the same")
    return tables


def _to_text(value: Any) -> str:
    """Return a cell as a text table would hold it; empty where there is no value."""
    if value is None or value != value:  # NaN
        return ""
    return str(value)

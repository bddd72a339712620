"""The cells of parquet files as a container of images, in this process or in a decoding one."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sparring.data.files.archive import Container, Skipped, Unreadable, suffix
from sparring.data.files.signatures import begins
from sparring.engine.errors import SparringError


class Cells:
    """The image cells of parquet files as a container: `table#row` -> bytes, one row group in memory at a time."""

    def __init__(self, path: Path, tables: dict[str, Any], column: str) -> None:
        import pyarrow.parquet as pq

        self.path, self.refused = path, list[Skipped]()
        self._sources, self._column = tables, column
        with explaining(path):
            self.tables = {name: pq.ParquetFile(source) for name, source in tables.items()}
        self._cached: tuple[str, int] | None = None
        self._first, self._cells = 0, list[Any]()

    @property
    def names(self) -> list[str]:
        """The cells, table by table, row by row."""
        return [f"{name}#{row}" for name, table in self.tables.items() for row in range(table.metadata.num_rows)]

    def read(self, name: str) -> bytes:
        """Return the bytes in one cell."""
        table, _, number = name.rpartition("#")
        row = int(number)
        if self._cached is None or self._cached[0] != table or not self._first <= row < self._first + len(self._cells):
            self._hold(table, row)
        cell = self._cells[row - self._first]
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(content, bytes):
            raise Unreadable(name, "has no image bytes in its cell")
        return content

    def _hold(self, table: str, row: int) -> None:
        file, first = self.tables[table], 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if row < first + count:
                break
            first += count
        self._cells = file.read_row_group(group, [self._column])[self._column].to_pylist()
        self._cached, self._first = (table, group), first

    def open(self, name: str) -> IO[bytes]:
        """Return the bytes in one cell, as a stream."""
        return io.BytesIO(self.read(name))

    def size(self, name: str) -> int:
        """Bytes in one cell."""
        return len(self.read(name))

    def place(self, name: str) -> Path | None:
        """Nowhere: it is in a table."""
        return None

    def key(self) -> str:
        """No key: cells are never a source of their own."""
        raise NotImplementedError

    def ticket(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the tables, which must lie on the disk by themselves."""
        tables = {name: str(source) for name, source in self._sources.items()}
        return {"kind": "cells", "path": str(self.path), "tables": tables, "column": self._column}

    def shareable(self) -> bool:
        """Return True if another process can open the tables too."""
        return all(isinstance(source, str | Path) for source in self._sources.values())


def parquet_names(container: Container) -> list[str]:
    """Return the parquet files of a container, by suffix and first bytes."""
    return [name for name in container.names if suffix(name) == ".parquet" and begins(container, name, b"PAR1")]


@contextmanager
def explaining(name: str | Path) -> Iterator[None]:
    """Turn Arrow's errors into a message that names the file."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, KeyError) as error:
        if "footer" in str(error):
            raise SparringError(
                f"{name} is no whole parquet file: its end is missing. Was the download complete?"
            ) from error
        raise SparringError(f"{name} is no readable parquet: {error}") from error

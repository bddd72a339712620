"""Parquet as Hugging Face writes image data: a column `image` of {bytes, path} and a column `label`."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from sparring.data.container import Container, LeftOut
from sparring.data.decode import decode_all, header
from sparring.data.found import Found, Item, Outcome, Rows, Shape
from sparring.engine.errors import SparringError


class _Cells:
    """The image cells of parquet files as a container: item name -> bytes, one row group in memory at a time."""

    def __init__(self, container: Container, tables: dict[str, Any], column: str) -> None:
        self.path = container.path
        self.refused: list[LeftOut] = []
        self._tables, self._column = tables, column
        self._places: dict[str, tuple[str, int, int]] = {}
        for table_name, table in tables.items():
            for group in range(table.num_row_groups):
                for row in range(table.metadata.row_group(group).num_rows):
                    self._places[f"{table_name}#{len(self._places)}"] = (table_name, group, row)
        self.names = list(self._places)
        self._held: tuple[str, int] | None = None
        self._cells: list[Any] = []

    def read(self, name: str) -> bytes:
        table, group, row = self._places[name]
        if self._held != (table, group):
            self._cells = self._tables[table].read_row_group(group, [self._column])[self._column].to_pylist()
            self._held = table, group
        cell = self._cells[row]
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(content, bytes):
            raise ValueError("has no image bytes in its cell")
        return content

    def key(self) -> str:
        raise NotImplementedError("cells are no source of their own")


@dataclass
class ParquetImages:
    """Encoded images in the cells of parquet files."""

    cells: _Cells
    items: list[Item]
    left_out: list[LeftOut]
    notes: list[str] = field(default_factory=list)
    kind: Literal["image"] = "image"
    format: str = "parquet"
    drops_duplicates: bool = True

    def survey(self) -> Counter[Shape]:
        """Sizes and modes of up to 2,000 first cells: later ones would unpack whole row groups."""
        shapes: Counter[Shape] = Counter()
        for item in self.items[:2000]:
            try:
                shapes[header(self.cells.read(item.name))] += 1
            except Exception:  # decoding will meet the same cell and report it
                continue
        return shapes

    def ingest(self, rows: Rows, shape: Shape, tell: Callable[[int], None]) -> list[Outcome]:
        """Decode each cell into its row."""
        return decode_all(self.cells, self.cells.names, rows, shape, tell, workers=1)


def read_parquet(container: Container) -> Found | None:
    """All parquet files of a container; None where there is none. Needs pyarrow (`pip install sparring[tables]`)."""
    names = [name for name in container.names if name.lower().endswith(".parquet")]
    if not names:
        return None
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise SparringError(f"{names[0]} is parquet, which needs pyarrow: pip install 'sparring[tables]'") from error
    try:
        tables = {name: pq.ParquetFile(io.BytesIO(container.read(name))) for name in names}
    except (pa.ArrowException, OSError) as error:
        raise SparringError(f"{container.path} is no readable parquet: {error}") from error
    columns = tables[names[0]].schema_arrow.names
    image = next((c for c in ("image", "img") if c in columns), None)
    label = next((c for c in ("label", "labels", "fine_label") if c in columns), None)
    if image is None:
        raise SparringError(
            f"{names[0]} has the columns {', '.join(columns)}: images are looked for in `image` or `img`"
        )
    cells = _Cells(container, tables, image)
    labels = _labels(tables, label) if label else iter([None] * len(cells.names))
    items = []
    for cell in cells.names:
        stem = PurePosixPath(cell).name.lower()
        split: Literal["train", "test"] = "test" if stem.startswith(("test", "val")) else "train"
        items.append(Item(cell, split, next(labels)))
    left_out = [LeftOut(name, "is no parquet file") for name in container.names if name not in names]
    return ParquetImages(cells, items, [*container.refused, *left_out])


def _labels(tables: dict[str, Any], column: str) -> Iterator[str | None]:
    for table in tables.values():
        names = _class_names(table, column)
        for value in table.read([column])[column].to_pylist():
            known = isinstance(value, int) and 0 <= value < len(names)
            yield None if value in (None, -1) else names[value] if known else str(value)


def _class_names(table: Any, column: str) -> list[str]:
    """The names in Hugging Face's own metadata, where there are any."""
    try:
        metadata = json.loads(table.schema_arrow.metadata[b"huggingface"])
        return [str(name) for name in metadata["info"]["features"][column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []

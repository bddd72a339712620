"""Parquet as Hugging Face writes image data: a column `image` of {bytes, path} and a column `label`."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparring.data.archive import Container, Skipped
from sparring.data.image_shape import ImageSource
from sparring.data.parquet_cells import Cells, explaining, parquet_names
from sparring.data.reader_api import Example, RawDataset, ReadResult, Shape
from sparring.data.readers.images import MOST_HEADERS, alphas, mostly_images, survey
from sparring.data.roles.words import split_of_path
from sparring.engine.errors import SparringError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparring.data.reader_api import Rows
    from sparring.engine.data_spec import DataSpec


@dataclass
class ParquetImages(ImageSource):
    """Encoded images in the cells of parquet files."""

    cells: Cells
    items: list[Example]
    skipped: list[Skipped]
    notes: list[str] = field(default_factory=list)
    format: str = "parquet"
    drops_duplicates: bool = True

    def survey(self) -> Counter[Shape]:
        """Sizes and modes of up to 2,000 first cells: later ones would unpack whole row groups."""
        return survey(self.cells, [item.name for item in self.items[:MOST_HEADERS]])

    def alpha(self) -> Iterator[NDArray[Any]]:
        """Yield the alpha channels of some of the first cells."""
        return alphas(self.cells, [item.name for item in self.items[:MOST_HEADERS]])

    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Decode each cell into its row."""
        return self.decode_files(self.cells, rows, spec, on_progress, None if self.cells.shareable() else 1)


def read_parquet(container: Container) -> RawDataset | None:
    """All parquet files of a container; None where there is none. Needs pyarrow (`pip install sparring[tables]`)."""
    names = parquet_names(container)
    if not names or mostly_images(container, len(names)):
        return None
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise SparringError(f"{names[0]} is parquet, which needs pyarrow: pip install 'sparring[tables]'") from error
    sources = {name: container.place(name) or io.BytesIO(container.read(name)) for name in names}
    columns = {}
    for name, source in sources.items():
        with explaining(name):
            columns[name] = pq.read_schema(source).names
    image = next((c for c in ("image", "img") if any(c in columns[name] for name in names)), None)
    if image is None:
        raise SparringError(
            f"{names[0]} has the columns {', '.join(columns[names[0]])}: images are looked for in `image` or `img`"
        )
    used = [name for name in names if image in columns[name]]
    cells = Cells(container.path, {name: sources[name] for name in used}, image)
    items = []
    for name in used:
        label = next((c for c in ("label", "labels", "fine_label") if c in columns[name]), None)
        with explaining(name):
            labels = list(_labels(cells.tables[name], label))
        items += [Example(f"{name}#{row}", split_of_path(name), text) for row, text in enumerate(labels)]
    skipped = [Skipped(name, "is no parquet file of images") for name in container.names if name not in used]
    return ParquetImages(cells, items, [*container.refused, *skipped])


def _labels(table: Any, column: str | None) -> Iterator[str | None]:
    if column is None:
        yield from [None] * table.metadata.num_rows
        return
    names = _class_names(table, column)
    for value in table.read([column])[column].to_pylist():
        known = isinstance(value, int) and 0 <= value < len(names)
        yield None if value in (None, -1) else names[value] if known else str(value)


def _class_names(table: Any, column: str) -> list[str]:
    """Return the names in Hugging Face's own metadata, where there are any."""
    try:
        metadata = json.loads(table.schema_arrow.metadata[b"huggingface"])
        return [str(name) for name in metadata["info"]["features"][column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []

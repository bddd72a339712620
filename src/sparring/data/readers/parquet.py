"""Parquet as Hugging Face writes image data: a column `image` of {bytes, path} and a column `label`."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparring.data.files.archive import Container, Skipped
from sparring.data.images.shape import ImageSource
from sparring.data.label_table import LABEL_NAMES
from sparring.data.reader_api import Example, RawDataset, ReadOptions, ReadResult, Shape
from sparring.data.readers.images import MOST_HEADERS, alphas, mostly_images, survey
from sparring.data.roles.label_values import to_labels
from sparring.data.roles.layout import several_data_sets
from sparring.data.roles.words import SHARD, plain, split_of_path, split_word
from sparring.data.tables.parquet_cells import Cells, explaining, parquet_names
from sparring.engine.errors import SparringError, UsageError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
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
    vectors: NDArray[np.float32] | None = None

    def survey(self) -> Counter[Shape]:
        """Sizes and modes of up to 2,000 first cells: later ones would unpack whole row groups."""
        return survey(self.cells, [item.name for item in self.items[:MOST_HEADERS]])

    def alpha(self) -> Iterator[NDArray[Any]]:
        """Yield the alpha channels of some of the first cells."""
        return alphas(self.cells, [item.name for item in self.items[:MOST_HEADERS]])

    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Decode each cell into its row."""
        return self.decode_files(self.cells, rows, spec, on_progress, None if self.cells.shareable() else 1)


def read_parquet(container: Container, options: ReadOptions) -> RawDataset | None:
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
    _refuse_data_sets(used)
    column, notes = _label_column(columns[used[0]], image, options.label)
    values = [value for name in used for value in _values(cells.tables[name], name, column)]
    names_of = [f"{name}#{row}" for name in used for row in range(cells.tables[name].metadata.num_rows)]
    labels = to_labels(values, f"column '{column}'")
    splits = {name: split_of_path(name) for name in used}
    items = [
        Example(name, splits[name.rpartition("#")[0]], label)
        for name, label in zip(names_of, labels.classes, strict=True)
    ]
    skipped = [Skipped(name, "is no parquet file of images") for name in container.names if name not in used]
    remarks = [*notes, *(labels.notes if column else ())]
    return ParquetImages(cells, items, [*container.refused, *skipped], remarks, vectors=labels.vectors)


def _refuse_data_sets(names: list[str]) -> None:
    """Raise SparringError where files lie in folders that are neither splits nor shards."""
    folders = [name.split("/")[:-1] for name in names]
    sets = {tuple(f for f in of if split_word(f) is None and not SHARD.fullmatch(f)) for of in folders}
    if len(sets) > 1:
        raise several_data_sets("", ["/".join(folders) or "." for folders in sorted(sets)])


def _label_column(header: list[str], image: str, wanted: str | None) -> tuple[str | None, list[str]]:
    """Return the column of the labels, and a note where another may be meant."""
    if wanted is not None:
        if wanted not in header:
            raise UsageError(f"--label {wanted}: there is no such column: {did_you_mean(wanted, header)}")
        return wanted, []
    known = [c for name in ("label", "labels", *LABEL_NAMES) for c in header if plain(c) == name and c != image]
    known = list(dict.fromkeys(known))
    others = [c for c in header if c != image]
    if known:
        more = [c for c in others if c != known[0] and (c in known or c.endswith("label"))]
        other = (
            f"'{known[0]}' is taken for the label; --label takes another column, such as '{more[0]}'" if more else ""
        )
        return known[0], [other] * bool(more)
    note = f"images are unlabelled: --label names the column of the class, one of {', '.join(others)}"
    return None, [note] * bool(others)


def _values(table: Any, name: str, column: str | None) -> Iterator[Any]:
    """Yield the label of each row, numbers of classes by their names."""
    with explaining(name):
        if column is None or column not in table.schema_arrow.names:
            yield from [None] * table.metadata.num_rows
            return
        names = _class_names(table, column)
        for value in table.read([column])[column].to_pylist():
            known = isinstance(value, int) and 0 <= value < len(names)
            yield names[value] if known else value


def _class_names(table: Any, column: str) -> list[str]:
    """Return the names in Hugging Face's own metadata, where there are any."""
    try:
        metadata = json.loads(table.schema_arrow.metadata[b"huggingface"])
        return [str(name) for name in metadata["info"]["features"][column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []

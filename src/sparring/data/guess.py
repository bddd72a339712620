"""Guess the kind of data in a source by names and first bytes."""

from __future__ import annotations

from collections.abc import Callable

from sparring.data.files.archive import Container, suffix
from sparring.data.images.axes import flat_images
from sparring.data.numpy_io import array_shapes, numpy_names
from sparring.data.reader_api import KINDS_OF_OPTION, ReadOptions
from sparring.data.readers.audio import SOUND_SUFFIXES
from sparring.data.readers.idx import idx_names
from sparring.data.readers.images import SUFFIXES as IMAGE_SUFFIXES
from sparring.data.readers.series import rising_time
from sparring.data.readers.table import TEXT_SUFFIXES, TableFile, default_mark, table_suffix
from sparring.data.roles.arrays import pair_arrays
from sparring.data.tables.cells import is_number
from sparring.data.tables.parquet_cells import parquet_names
from sparring.data.tables.text import open_text_table
from sparring.data.tables.typed import open_parquet_table
from sparring.engine.data_spec import DataSpec
from sparring.engine.errors import SparringError

IMAGE_COLUMNS = "image", "img"
"""Columns of a parquet file that hold images."""
LOOKED_AT = 64
"""Rows from which the guess between a table and a series is made."""


def kind_of(container: Container, options: ReadOptions, like: DataSpec | None) -> tuple[str, str]:
    """Return the kind of data in a container, and the evidence for it."""
    if options.kind is not None:
        return options.kind, f"--kind {options.kind}"
    names = container.names
    sounds = sum(suffix(name) in SOUND_SUFFIXES for name in names)
    pictures = sum(suffix(name) in IMAGE_SUFFIXES for name in names)
    if sounds > pictures:
        return "audio", _count(sounds, "sound file")
    arrays = numpy_names(container)
    if pictures > len(arrays):
        return "image", _count(pictures, "image file")
    if idx_names(container):
        return "image", "IDX files"
    if arrays:
        return _kind_of_arrays(container, arrays, like)
    if parquet := parquet_names(container):
        return _kind_of_parquet(container, parquet[0], options, like)
    texts = [name for name in names if table_suffix(name) in TEXT_SUFFIXES]
    if texts or (len(names) == 1 and _is_text_table(container, names[0])):
        return _kind_of_text(container, (texts or names)[0], options, like)
    if like is not None:
        return like.kind, "nothing else is known by its name, and the model was trained on it"
    kinds = {kind for name, kinds in KINDS_OF_OPTION.items() if getattr(options, name) for kind in kinds}
    return (
        "table" if "table" in kinds else "series" if "series" in kinds else "image"
    ), "nothing else is known by its name"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count > 1)}"


def _kind_of_arrays(container: Container, names: list[str], like: DataSpec | None) -> tuple[str, str]:
    """Return the kind of `like`; else a table where arrays have two dimensions, and images where they have more."""
    if like is not None:
        return like.kind, "arrays, read as the model's training data were"
    shapes = array_shapes(container, names)
    for entry, *_ in pair_arrays(list(shapes)):
        if len(shape := shapes[entry][0]) == 2:
            sides = flat_images(shape[1])
            hint = f"; {shape[1]} = {sides}: reshape it where it holds images" if sides else ""
            return "table", f"an array of shape {list(shape)}{hint}"
    return "image", "arrays of more than two dimensions"


def _kind_of_parquet(
    container: Container, name: str, options: ReadOptions, like: DataSpec | None
) -> tuple[str, str]:  # fmt: skip
    table = open_parquet_table(container, name)
    if image := next((column for column in IMAGE_COLUMNS if column in table.header), None):
        return "image", f"the column '{image}' of {name}"
    return _kind_of_table(lambda: table, "a parquet table", name, options, like)


def _kind_of_text(
    container: Container, name: str, options: ReadOptions, like: DataSpec | None
) -> tuple[str, str]:  # fmt: skip
    return _kind_of_table(
        lambda: open_text_table(container, name, options.names, options.delimiter, []),
        "a text table",
        name,
        options,
        like,
    )


def _kind_of_table(
    open_table: Callable[[], TableFile], form: str, name: str, options: ReadOptions, like: DataSpec | None
) -> tuple[str, str]:
    """Return a series where a column holds times over numbers; else a table."""
    if options.time is not None:
        return "series", f"--time {options.time}"
    if options.label is not None or (like is not None and like.kind == "table"):
        return "table", f"{name} is {form}"
    table = open_table()
    rows = [cells for _, (_, cells) in zip(range(LOOKED_AT), table.rows(), strict=False)]
    complete = [row for row in rows if len(row) == len(table.header)]
    if time := rising_time(complete, table.header, default_mark(table)):
        return "series", f"'{time}' of {name} is a time over numbers; --kind table reads rows one by one"
    return "table", f"{name} is {form}"


def _is_text_table(container: Container, name: str) -> bool:
    """Return True for text of several columns, or of one column of numbers."""
    try:
        table = open_text_table(container, name, (), None, [])
        first = next(table.rows(), (0, [""]))[1]
    except SparringError:
        return False
    return len(table.header) > 1 or is_number(first[0])

"""Guess the kind of data in a source by names and first bytes."""

from __future__ import annotations

from sparring.data.archive import Container, is_hidden, suffix
from sparring.data.numpy_io import array_shapes
from sparring.data.reader_api import KINDS_OF_OPTION, ReadOptions
from sparring.data.readers.audio import SOUND_SUFFIXES
from sparring.data.readers.idx import ENDS as IDX_ENDS
from sparring.data.readers.images import SUFFIXES as IMAGE_SUFFIXES
from sparring.data.readers.table import NUMPY_SUFFIXES, TEXT_SUFFIXES, table_suffix
from sparring.data.table_cells import is_number
from sparring.data.text_table import TextTable, open_text_table
from sparring.data.typed_table import open_parquet_table
from sparring.engine.data_spec import DataSpec
from sparring.engine.errors import SparringError

IMAGE_COLUMNS = "image", "img"
"""Columns of a parquet file that hold images."""
TIME_NAMES = frozenset({"time", "date", "datetime", "timestamp", "ds", "day", "month", "year"})
"""Names of columns that hold the time."""
LOOKED_AT = 64
"""Rows from which the guess between a table and a series is made."""


def kind_of(container: Container, options: ReadOptions, like: DataSpec | None) -> tuple[str, str]:
    """Return the kind of data in a container, and the evidence for it."""
    if options.kind is not None:
        return options.kind, f"--kind {options.kind}"
    names = [name for name in container.names if not any(map(is_hidden, name.split("/")))]
    sounds = sum(suffix(name) in SOUND_SUFFIXES for name in names)
    pictures = sum(suffix(name) in IMAGE_SUFFIXES for name in names)
    if sounds > pictures:
        return "audio", _count(sounds, "sound file")
    arrays = [name for name in names if suffix(name) in NUMPY_SUFFIXES]
    if pictures > len(arrays):
        return "image", _count(pictures, "image file")
    if any(name.lower().removesuffix(".gz").endswith(IDX_ENDS) for name in names):
        return "image", "IDX files"
    if arrays:
        return _kind_of_arrays(container, arrays)
    if parquet := [name for name in names if suffix(name) == ".parquet"]:
        return _kind_of_parquet(container, parquet[0])
    texts = [name for name in names if table_suffix(name) in TEXT_SUFFIXES]
    if texts or (len(names) == 1 and _is_text_table(container, names[0])):
        return _kind_of_text(container, (texts or names)[0], options, like)
    kinds = {kind for name, kinds in KINDS_OF_OPTION.items() if getattr(options, name) for kind in kinds}
    return (
        "table" if "table" in kinds else "series" if "series" in kinds else "image"
    ), "nothing else is known by its name"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count > 1)}"


def _kind_of_arrays(container: Container, names: list[str]) -> tuple[str, str]:
    """A table where arrays have two dimensions; others are images, as `--kind series` changes."""
    shapes = array_shapes(container, names)
    for entry in ("x", "x_train", "x_test", "arr_0"):
        if entry in shapes and len(shape := shapes[entry][0]) == 2:
            return "table", f"an array of shape {list(shape)}"
    return "image", "arrays of more than two dimensions"


def _kind_of_parquet(container: Container, name: str) -> tuple[str, str]:
    header = open_parquet_table(container, name).header
    image = next((column for column in IMAGE_COLUMNS if column in header), None)
    return ("image", f"the column '{image}' of {name}") if image else ("table", f"the columns of {name}")


def _kind_of_text(
    container: Container, name: str, options: ReadOptions, like: DataSpec | None
) -> tuple[str, str]:  # fmt: skip
    """A series where the first column is a rising time over numbers; else a table."""
    if options.label is not None or (like is not None and like.kind == "table"):
        return "table", f"{name} is a text table"
    table = open_text_table(container, name, options.names, options.delimiter, [])
    if options.time is not None:
        return "series", f"--time {options.time}"
    if evidence := _rising_time(table):
        return "series", evidence
    return "table", f"{name} is a text table"


def _rising_time(table: TextTable) -> str:
    return ""


def _is_text_table(container: Container, name: str) -> bool:
    """True for text of several columns, or of one column of numbers."""
    try:
        table = open_text_table(container, name, (), None, [])
        first = next(table.rows(), (0, [""]))[1]
    except SparringError:
        return False
    return len(table.header) > 1 or is_number(first[0])

"""Read features, raw data and groups for an audit, from arrays or from .npy, .npz and text tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.packed import open_container
from sparring.data.numpy_io import MAGIC, open_entries
from sparring.data.roles.words import is_nothing
from sparring.data.tables.cells import to_number
from sparring.data.tables.columns import MAX_CATEGORIES, class_name
from sparring.data.tables.text import open_text_table
from sparring.engine.errors import SparringError, UsageError, did_you_mean

TABLES = (".csv", ".tsv", ".txt", ".data")
MAX_GROUPS = 50
"""Largest number of groups."""
FEATURE_KEYS = ("features", "codes", "x", "arr_0")
"""Names of the array of features in a .npz file, the first that is there counts."""

Array = NDArray[Any]
Source = str | Path | NDArray[Any]


@dataclass(frozen=True)
class Grouping:
    """The group of each row."""

    values: NDArray[np.int64]
    """Number of the group, `[N]`; -1 where it is unknown."""
    names: tuple[str, ...]
    """Names of the groups."""
    what: str
    """What the groups are called in messages."""


def read_matrix(source: Source, without: Mapping[str, set[str]] | None = None) -> NDArray[np.float32]:
    """Return features or raw data `[N, d]`, float32; text columns of a table become a column for each category.

    `without` are columns by file that are left out: groups and classes of the same table. Raises UsageError on what is
    no array of rows, SparringError where a file cannot be read.
    """
    name = "features" if isinstance(source, np.ndarray) else str(source)
    if isinstance(source, np.ndarray):
        array = source
    else:
        path, key = _split(str(source))
        columns = _columns(path)
        if _is_table(path):
            left_out = (without or {}).get(str(path), set())
            kept = {column: cells for column, cells in columns.items() if column not in left_out}
            if key is not None or not kept:
                raise UsageError(f"{name}: features are the columns of a table, all but groups and classes")
            return np.concatenate([_numeric(cells, column, str(path)) for column, cells in kept.items()], 1)
        array = _array(columns, key, path)
    if array.ndim < 1 or array.dtype.kind not in "fiub" or not array.size:
        raise UsageError(f"{name} is {array.dtype} of shape {list(array.shape)}: features are numbers [N, d]")
    return np.asarray(array.reshape(len(array), -1), np.float32)


def column_of(groups: Source, features: Source) -> dict[str, set[str]]:
    """Return the column that `groups` names in a table, by the path of the table."""
    if isinstance(groups, np.ndarray):
        return {}
    path, key = _find(str(groups), features)
    return {str(path): {key}} if key is not None and _is_table(path) else {}


def read_groups(groups: Source, features: Source, flag: str = "--protect") -> Grouping:
    """Return the groups of an array, a .npy file, FILE:COLUMN, or a column or key of the file of `features`.

    Raises UsageError where there are none, or more than MAX_GROUPS: a text or a measured number names no groups.
    """
    if isinstance(groups, np.ndarray):
        return _grouping(groups, "the group", flag)
    path, key = _find(str(groups), features)
    columns = _columns(path)
    if key is None:
        if _is_table(path) and len(columns) > 1:
            raise UsageError(f"{flag} {path}: name the column as {path}:COLUMN ({', '.join(columns)})")
        key = next(iter(columns))
    if key not in columns:
        raise UsageError(f"{flag}: {path} has no '{key}': {did_you_mean(key, columns)}")
    return _grouping(columns[key], key if _is_table(path) or path.suffix == ".npz" else path.stem, flag)


def _find(groups: str, features: Source) -> tuple[Path, str | None]:
    """Return the file that holds the groups, and the column or key in it."""
    path, key = _split(groups)
    if path.exists() or isinstance(features, np.ndarray):
        return path, key
    own, _ = _split(str(features))
    return (own, groups) if _is_table(own) or own.suffix.lower() == ".npz" else (path, key)


def _split(text: str) -> tuple[Path, str | None]:
    """Return the path and, behind a colon, the column or key."""
    before, colon, after = text.rpartition(":")
    if Path(text).exists() or not colon or not Path(before).exists():
        return Path(text), None
    return Path(before), after


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLES


def _columns(path: Path) -> dict[str, Array]:
    """Return the columns of a table as text, or the arrays of a NumPy file, by name."""
    if not path.is_file():
        raise UsageError(f"there is no file '{path}': give a .npy, a .npz or a .csv file, or FILE:COLUMN")
    container = open_container(path)
    if path.suffix.lower() in MAGIC:
        return {key: entry() for key, entry in open_entries(container, [path.name]).items()}
    if not _is_table(path):
        raise UsageError(f"{path} is no .npy, .npz or .csv file: features and groups are read from these")
    table = open_text_table(container, path.name, (), None, ())
    rows = [cells for _, cells in table.rows()]
    width = len(table.header)
    if bad := next((k for k, cells in enumerate(rows, 1) if len(cells) != width), None):
        raise SparringError(f"{path}: row {bad} has {len(rows[bad - 1])} cells, the header has {width}: correct it")
    if not rows:
        raise SparringError(f"{path} has no rows: a table has a header and rows")
    return {name: np.array(cells) for name, cells in zip(table.header, zip(*rows, strict=True), strict=True)}


def _array(arrays: Mapping[str, Array], key: str | None, path: Path) -> Array:
    """Return the array of features among those of a NumPy file."""
    if key is not None and key not in arrays:
        raise UsageError(f"{path} has no array '{key}': {did_you_mean(key, arrays)}")
    known = key or next((name for name in FEATURE_KEYS if name in arrays), None)
    if known is None and len(arrays) > 1:
        raise UsageError(f"{path} has several arrays ({', '.join(arrays)}): name that of the features as {path}:NAME")
    return arrays[known or next(iter(arrays))]


def _numeric(cells: Array, column: str, file: str) -> NDArray[np.float32]:
    """Return a column of numbers `[N, 1]`, or of text one-hot `[N, categories]`."""
    numbers = [to_number(cell) for cell in cells.tolist()]
    if None not in numbers:
        return np.array(numbers, np.float32)[:, None]
    words, place = np.unique(cells, return_inverse=True)
    if len(words) > min(MAX_CATEGORIES, len(cells) // 2):
        raise UsageError(
            f"{file}: column '{column}' has {len(words):,} different values that are no numbers: remove the column"
        )
    return np.eye(len(words), dtype=np.float32)[place.reshape(-1)]


def _grouping(values: Array, what: str, flag: str) -> Grouping:
    """Return the numbers and names of groups; unknown are marks for nothing, NaN, and -1 beside other groups."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "fiubUS":
        raise UsageError(f"{flag}: groups are one value a row, [N], not {values.dtype} of shape {list(values.shape)}")
    words = [class_name(str(value)) for value in values.tolist()]
    known = sorted({word for word in words if not is_nothing(word) or word == "-1"}, key=_order)
    if len(known) > 2 and "-1" in known:
        known.remove("-1")
    if len(known) > MAX_GROUPS:
        raise UsageError(
            f"{flag}: '{what}' holds {len(known):,} different values, such as '{known[0]}' and '{known[-1]}': groups "
            f"are {MAX_GROUPS} or fewer. Cut numbers into ranges, or name another column"
        )
    place = {word: k for k, word in enumerate(known)}
    return Grouping(np.array([place.get(word, -1) for word in words], np.int64), tuple(known), what)


def _order(word: str) -> tuple[bool, float, str]:
    """Sort numbers by value, before words."""
    number = to_number(word)
    return number is None, number or 0.0, word

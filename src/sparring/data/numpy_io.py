"""Arrays in `.npy` and `.npz` files, by name; several `.npy` in one place are read as the entries of one `.npz`."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Container, suffix, too_large
from sparring.data.files.signatures import begins
from sparring.data.roles.label_values import mark_notes
from sparring.data.roles.words import is_nothing
from sparring.engine.errors import SparringError

MAGIC = {".npy": b"\x93NUMPY", ".npz": b"PK"}
"""Suffix -> first bytes."""


@dataclass(frozen=True)
class Entry:
    """One array of a source."""

    name: str
    """What it is called in messages, and in the names of examples."""
    read: Callable[[], NDArray[Any]]

    def __call__(self) -> NDArray[Any]:
        """Read the array."""
        return self.read()


Entries: TypeAlias = dict[str, Entry]
"""Name of an array, or the path of its file where names are not unique -> the array."""


def numpy_names(container: Container) -> list[str]:
    """Return the NumPy files of a container, by suffix and first bytes."""
    return [name for name in container.names if suffix(name) in MAGIC and begins(container, name, MAGIC[suffix(name)])]


def open_entries(container: Container, names: list[str]) -> Entries:
    """Return the arrays in the NumPy files of these names."""
    if len(names) == 1:
        name = names[0]
        return (
            _packed(container, name) if suffix(name) == ".npz" else {"x": Entry(name, lambda: _load(container, name))}
        )
    entries: Entries = {}
    for name, key in zip(names, _keys(names), strict=True):
        if suffix(name) == ".npz":
            inner = _packed(container, name)
            entries |= {key if len(inner) == 1 else f"{key}/{entry}": value for entry, value in inner.items()}
        else:
            entries[key] = Entry(key, lambda name=name: _load(container, name))  # type: ignore[misc]
    return entries


def _keys(names: list[str]) -> list[str]:
    """Return the stems of files in lower case, or their paths where several have one stem."""
    stems = [name.rsplit("/", 1)[-1].lower().removesuffix(".npy").removesuffix(".npz") for name in names]
    return stems if len(set(stems)) == len(stems) else [name.rpartition(".")[0] for name in names]


def array_shapes(container: Container, names: list[str]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return shape and dtype of each array by its header alone; nothing for what is damaged."""
    try:
        if suffix(names[0]) != ".npz":
            keys = ["x"] if len(names) == 1 else _keys(names)
            return {key: _shape(container.open(name)) for key, name in zip(keys, names, strict=True)}
        with zipfile.ZipFile(container.place(names[0]) or io.BytesIO(container.read(names[0]))) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            return {i.filename.removesuffix(".npy").lower(): _shape(archive.open(i)) for i in members}
    except Exception:  # torn files raise anything; reading them will say what is wrong
        return {}


def _shape(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        return shape, dtype


def _load(container: Container, name: str) -> NDArray[Any]:
    place = container.place(name)
    try:
        if place:
            return np.asarray(np.load(place, allow_pickle=False, mmap_mode="r"))
        return np.asarray(np.load(io.BytesIO(container.read(name)), allow_pickle=False))
    except SparringError:
        raise
    except Exception as error:  # torn files raise anything; objects (pickles) are refused
        raise SparringError(f"{name} cannot be read as NumPy numbers: {_reason(error)}") from error


def _packed(container: Container, name: str) -> Entries:
    source = container.place(name) or io.BytesIO(container.read(name))
    try:
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                if reason := too_large(info.file_size, info.compress_size):
                    raise SparringError(f"{name}: {info.filename} {reason}")
            keys = [info.filename.removesuffix(".npy") for info in archive.infolist()]
    except SparringError:
        raise
    except Exception as error:  # torn files raise anything
        raise SparringError(f"{name} cannot be read as NumPy numbers: {_reason(error)}") from error

    def entry(key: str) -> NDArray[Any]:
        try:
            if isinstance(source, io.BytesIO):
                source.seek(0)
            with np.load(source, allow_pickle=False) as arrays:
                return np.asarray(arrays[key])
        except Exception as error:  # as above; objects (pickles) are refused
            raise SparringError(f"{name}: {key} cannot be read as NumPy numbers: {_reason(error)}") from error

    return {key.lower(): Entry(f"{name}:{key.lower()}", lambda key=key: entry(key)) for key in keys}  # type: ignore[misc]


def no_labels(y: NDArray[Any], name: str) -> SparringError:
    """Return an error that says what shapes labels have."""
    return SparringError(
        f"{name} is {y.dtype} of shape {list(y.shape)}: labels are [N], one-hot [N, K], or vectors [N, K] of numbers"
    )


def class_labels(y: NDArray[Any], name: str) -> list[str | None]:
    """Return classes `[N]` or one-hot `[N, K]` as names, None for marks for nothing; raises SparringError on others."""
    return labels_with_notes(y, name)[0]


def labels_with_notes(y: NDArray[Any], name: str) -> tuple[list[str | None], list[str]]:
    """Return classes as `class_labels` does, and notes on marks for nothing."""
    if y.ndim > 2 or (y.ndim == 2 and (y.shape[1] == 0 or (y.shape[1] > 1 and y.dtype.kind not in "uifb"))):
        raise no_labels(y, name)
    if y.ndim == 2 and y.shape[1] > 1:
        y = y.argmax(1)
    if y.dtype.kind == "f":
        y = y.astype(np.int64)
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    words = [str(value) for value in y.reshape(-1).tolist()]
    classes = [None if is_nothing(word) else word for word in words]
    marks = Counter(word for word in words if is_nothing(word))
    return classes, [f"{name}: {note}" for note in mark_notes(marks, classes)]


def _reason(error: Exception) -> str:
    """NumPy's own words, but for its advice to load what may run code, and of a zip that lacks its end."""
    if isinstance(error, zipfile.BadZipFile) or "mmap length" in str(error):
        return "the file lacks its end, or is torn: was the download complete?"
    return "it holds Python objects, or is no NumPy file" if "pickle" in str(error).lower() else str(error)

"""Arrays in `.npy` and `.npz` files, by name; several `.npy` in one place are read as the entries of one `.npz`."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import IO, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparring.data.archive import Container, suffix, too_large
from sparring.data.signatures import begins
from sparring.engine.errors import SparringError

NAMES: list[tuple[str, str, Literal["train", "test"]]] = [
    ("x_train", "y_train", "train"), ("x_test", "y_test", "test"),
    ("x", "y", "train"), ("images", "labels", "train"), ("image", "label", "train"), ("arr_0", "arr_1", "train"),
]  # fmt: skip

MAGIC = {".npy": b"\x93NUMPY", ".npz": b"PK"}
"""Suffix -> first bytes."""
Entries: TypeAlias = dict[str, Callable[[], NDArray[Any]]]
"""Name of an array -> what reads it."""


def numpy_names(container: Container) -> list[str]:
    """Return the NumPy files of a container, by suffix and first bytes."""
    return [name for name in container.names if suffix(name) in MAGIC and begins(container, name, MAGIC[suffix(name)])]


def open_entries(container: Container, names: list[str]) -> Entries:
    """Return what reads each array; raises SparringError on several `.npz`."""
    packed = [name for name in names if suffix(name) == ".npz"]
    if packed and len(names) > 1:
        raise SparringError(
            f"{container.path} holds {len(names)} NumPy files ({', '.join(names[:3])} ...): name one of them"
        )
    return _packed(container, packed[0]) if packed else _single(container, names)


def entry_name(names: list[str], entry: str) -> str:
    """Return what an array is called in messages and names."""
    if suffix(names[0]) == ".npz":
        return f"{names[0]}:{entry}"
    return entry if len(names) > 1 else names[0]


def array_shapes(container: Container, names: list[str]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return shape and dtype of each array by its header alone; nothing for what is damaged."""
    try:
        if suffix(names[0]) != ".npz":
            stems = {name.rsplit("/", 1)[-1].lower().removesuffix(".npy"): name for name in names}
            return {("x" if len(names) == 1 else stem): _shape(container.open(name)) for stem, name in stems.items()}
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


def _single(container: Container, names: list[str]) -> Entries:
    if len(names) == 1:
        return {"x": lambda: _load(container, names[0])}
    stems = {name.rsplit("/", 1)[-1].lower().removesuffix(".npy"): name for name in names}
    return {stem: lambda name=name: _load(container, name) for stem, name in stems.items()}  # type: ignore[misc]


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

    return {key.lower(): lambda key=key: entry(key) for key in keys}  # type: ignore[misc]


def no_labels(y: NDArray[Any], name: str) -> SparringError:
    """Return an error that says what shapes labels have."""
    return SparringError(
        f"{name} is {y.dtype} of shape {list(y.shape)}: labels are [N], one-hot [N, K], or vectors [N, K] of numbers"
    )


def class_labels(y: NDArray[Any], name: str) -> list[str | None]:
    """Return classes `[N]` or one-hot `[N, K]` as names, None for -1; raises SparringError on other shapes."""
    if y.ndim > 2 or (y.ndim == 2 and (y.shape[1] == 0 or (y.shape[1] > 1 and y.dtype.kind not in "uifb"))):
        raise no_labels(y, name)
    if y.ndim == 2 and y.shape[1] > 1:
        y = y.argmax(1)
    if y.dtype.kind == "f":
        y = y.astype(np.int64)
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    return [None if str(value) in ("-1", "") else str(value) for value in y.reshape(-1).tolist()]


def _reason(error: Exception) -> str:
    """NumPy's own words, but for its advice to load what may run code, and of a zip that lacks its end."""
    if isinstance(error, zipfile.BadZipFile) or "mmap length" in str(error):
        return "the file lacks its end, or is torn: was the download complete?"
    return "it holds Python objects, or is no NumPy file" if "pickle" in str(error).lower() else str(error)

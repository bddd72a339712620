"""NumPy's `.npy` and `.npz`: one array of images, or `arr_0` / `x` (and `y`), or `x_train`, `y_train`, `x_test`, `y_test`.

Several `.npy` in one place are read as the entries of one `.npz`, which is a zip of them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.container import Container, LeftOut, suffix, too_large
from sparring.data.found import Found
from sparring.data.readers.arrays import ImageArrays, Part, as_images
from sparring.data.readers.images import mostly_images
from sparring.engine.errors import SparringError

NAMES: list[tuple[str, str, Literal["train", "test"]]] = [
    ("x_train", "y_train", "train"), ("x_test", "y_test", "test"),
    ("x", "y", "train"), ("images", "labels", "train"), ("image", "label", "train"), ("arr_0", "arr_1", "train"),
]  # fmt: skip

Entries = dict[str, Callable[[], NDArray[Any]]]
"""Name of an array -> what reads it."""


def read_numpy(container: Container) -> Found | None:
    """The one `.npz` file of a container, or its `.npy` files; None where there are none, or far more pictures."""
    names = [name for name in container.names if name.lower().endswith((".npy", ".npz"))]
    if not names or mostly_images(container, len(names)):
        return None
    packed = [name for name in names if suffix(name) == ".npz"]
    if packed and len(names) > 1:
        raise SparringError(
            f"{container.path} holds {len(names)} NumPy files ({', '.join(names[:3])} ...): name one of them"
        )
    entries = _packed(container, packed[0]) if packed else _single(container, names)
    parts, used = [], set()
    for x, y, split in NAMES:
        if x in entries:
            where = f"{names[0]}:{x}" if packed else x if len(names) > 1 else names[0]
            labels = _labels(entries[y](), y) if y in entries else None
            parts.append(Part(where, split, as_images(entries[x](), where), labels))
            used |= {x, y}
    if not parts:
        raise SparringError(
            f"{names[0] if packed else container.path} holds {', '.join(entries) or 'nothing'}: "
            "images are looked for as x, x_train, images or arr_0"
        )
    left_out = [LeftOut(entry, "is no array of images or labels") for entry in entries if entry not in used]
    left_out += [LeftOut(other, "is no NumPy file") for other in container.names if other not in names]
    return ImageArrays("NumPy", parts, [*container.refused, *left_out])


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
        raise SparringError(f"{name} cannot be read as NumPy numbers: {_why(error)}") from error


def _packed(container: Container, name: str) -> Entries:
    source = container.place(name) or io.BytesIO(container.read(name))
    try:
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                if why := too_large(info.file_size, info.compress_size):
                    raise SparringError(f"{name}: {info.filename} {why}")
            keys = [info.filename.removesuffix(".npy") for info in archive.infolist()]
    except SparringError:
        raise
    except Exception as error:  # torn files raise anything
        raise SparringError(f"{name} cannot be read as NumPy numbers: {_why(error)}") from error

    def entry(key: str) -> NDArray[Any]:
        try:
            if isinstance(source, io.BytesIO):
                source.seek(0)
            with np.load(source, allow_pickle=False) as arrays:
                return np.asarray(arrays[key])
        except Exception as error:  # as above; objects (pickles) are refused
            raise SparringError(f"{name}: {key} cannot be read as NumPy numbers: {_why(error)}") from error

    return {key.lower(): lambda key=key: entry(key) for key in keys}  # type: ignore[misc]


def _labels(y: NDArray[Any], name: str) -> list[str | None]:
    if y.ndim == 2 and y.shape[1] > 1:
        if y.dtype.kind not in "uifb" or not (((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all()):
            raise SparringError(f"{name} has shape {list(y.shape)}: labels are [N], or one-hot [N, K]")
        y = y.argmax(1)
    if y.dtype.kind == "f" and (y == y.round()).all():
        y = y.astype(np.int64)
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    return [None if str(value) in ("-1", "") else str(value) for value in y.reshape(-1).tolist()]


def _why(error: Exception) -> str:
    """NumPy's own words, but for its advice to load what may run code."""
    return "it holds Python objects, or is no NumPy file" if "pickle" in str(error).lower() else str(error)

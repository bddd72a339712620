"""NumPy's `.npy` and `.npz`: one array of images, or `arr_0` / `x` (and `y`), or `x_train`, `y_train`, `x_test`, `y_test`.

Labels `y` are classes, `[N]` or one-hot `[N, K]`; or vectors, told as the numbers they are: `[N, K]` that are not one-hot
(attributes, the sine and cosine of an angle), or `[N]` floats that are not whole (an age, a weight).

Several `.npy` in one place are read as the entries of one `.npz`, which is a zip of them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.archive import Container, Skipped, suffix, too_large
from sparring.data.reader_api import RawDataset
from sparring.data.readers.array_dataset import ImageArrays, Part, as_images
from sparring.data.readers.images import mostly_images
from sparring.engine.errors import SparringError

NAMES: list[tuple[str, str, Literal["train", "test"]]] = [
    ("x_train", "y_train", "train"), ("x_test", "y_test", "test"),
    ("x", "y", "train"), ("images", "labels", "train"), ("image", "label", "train"), ("arr_0", "arr_1", "train"),
]  # fmt: skip

Entries = dict[str, Callable[[], NDArray[Any]]]
"""Name of an array -> what reads it."""


def read_numpy(container: Container) -> RawDataset | None:
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
    here = [(x, y, split) for x, y, split in NAMES if x in entries]
    told = {y: entries[y]() for _, y, _ in here if y in entries}
    vectors = any(_is_vectors(y) for y in told.values())
    parts, used = [], set()
    for x, y, split in here:
        where = f"{names[0]}:{x}" if packed else x if len(names) > 1 else names[0]
        part = Part(where, split, as_images(entries[x](), where))
        if vectors and y not in told:
            raise SparringError(
                f"{where} comes without {y}: labels that are vectors are told of all images, or of none"
            )
        if y in told:
            y_of = told[y]
            part = replace(part, vectors=_vectors(y_of, y)) if vectors else replace(part, labels=_labels(y_of, y))
        parts.append(part)
        used |= {x, y}
    if vectors:
        _check_vectors(parts)
    if not parts:
        raise SparringError(
            f"{names[0] if packed else container.path} holds {', '.join(entries) or 'nothing'}: "
            "images are looked for as x, x_train, images or arr_0"
        )
    skipped = [Skipped(entry, "is no array of images or labels") for entry in entries if entry not in used]
    skipped += [Skipped(other, "is no NumPy file") for other in container.names if other not in names]
    return ImageArrays("NumPy", parts, [*container.refused, *skipped])


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


def _is_vectors(y: NDArray[Any]) -> bool:
    """True for numbers that name no classes: neither one-hot nor whole."""
    if y.dtype.kind not in "uifb" or not y.size:
        return False
    if y.ndim == 2 and y.shape[1] > 1:
        return not (((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())
    return y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == y.round()).all())


def _vectors(y: NDArray[Any], name: str) -> NDArray[np.float32]:
    """`y` as `[N, K]`; raises SparringError on what is no matrix of finite numbers."""
    if y.dtype.kind not in "uifb" or y.ndim not in (1, 2) or 0 in y.shape[1:]:
        raise _no_labels(y, name)
    with np.errstate(over="ignore"):  # told below
        vectors = y.reshape(len(y), -1).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise SparringError(
            f"{name} holds values that are no finite numbers (NaN or infinity): mend it first; classes are whole "
            "numbers, and -1 where an image has none"
        )
    return vectors


def _check_vectors(parts: list[Part]) -> None:
    """Raise SparringError where splits have vectors of different lengths, or where they tell nothing."""
    vectors = [part.vectors for part in parts if part.vectors is not None]
    if len(lengths := {told.shape[1] for told in vectors}) > 1:
        raise SparringError(
            f"labels are vectors of {' and of '.join(map(str, sorted(lengths)))} numbers: all have to be of one length"
        )
    if ((told := np.concatenate(vectors)) == told[:1]).all():
        raise SparringError(
            "the labels are the same vector for every image: labels are [N], one-hot [N, K], or vectors [N, K] that differ"
        )


def _no_labels(y: NDArray[Any], name: str) -> SparringError:
    return SparringError(
        f"{name} is {y.dtype} of shape {list(y.shape)}: labels are [N], one-hot [N, K], or vectors [N, K] of numbers"
    )


def _labels(y: NDArray[Any], name: str) -> list[str | None]:
    if y.ndim > 2 or (y.ndim == 2 and (y.shape[1] == 0 or (y.shape[1] > 1 and y.dtype.kind not in "uifb"))):
        raise _no_labels(y, name)
    if y.ndim == 2 and y.shape[1] > 1:
        y = y.argmax(1)
    if y.dtype.kind == "f":
        y = y.astype(np.int64)
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    return [None if str(value) in ("-1", "") else str(value) for value in y.reshape(-1).tolist()]


def _reason(error: Exception) -> str:
    """NumPy's own words, but for its advice to load what may run code."""
    return "it holds Python objects, or is no NumPy file" if "pickle" in str(error).lower() else str(error)

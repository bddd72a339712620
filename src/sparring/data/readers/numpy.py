"""Images in NumPy's `.npy` and `.npz`.

They are one array, or `arr_0` / `x` (and `y`), or `x_train`, `y_train`, `x_test`, `y_test`.

Labels `y` are classes, `[N]` or one-hot `[N, K]`; or vectors: `[N, K]` that are not one-hot (attributes, the sine and
cosine of an angle), or `[N]` floats that are not whole (an age, a weight).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.archive import Container, Skipped
from sparring.data.axes import as_images
from sparring.data.numpy_io import NAMES, class_labels, entry_name, no_labels, numpy_names, open_entries
from sparring.data.reader_api import RawDataset
from sparring.data.readers.array_dataset import ImageArrays, Part
from sparring.data.readers.images import mostly_images
from sparring.engine.errors import SparringError


def read_numpy(container: Container) -> RawDataset | None:
    """Read the one `.npz` file of a container, or its `.npy` files; None where there are none, or far more pictures."""
    names = numpy_names(container)
    if not names or mostly_images(container, len(names)):
        return None
    entries = open_entries(container, names)
    here = [(x, y, split) for x, y, split in NAMES if x in entries]
    label_arrays = {y: entries[y]() for _, y, _ in here if y in entries}
    vectors = any(_is_vectors(y) for y in label_arrays.values())
    parts, used = [], set()
    for x, y, split in here:
        where = entry_name(names, x)
        count = len(label_arrays[y]) if y in label_arrays and label_arrays[y].ndim else None
        images, notes = as_images(entries[x](), where, count)
        part = Part(where, split, images, notes=notes)
        if vectors and y not in label_arrays:
            raise SparringError(f"{where} comes without {y}: all images need a vector label, or none")
        if y in label_arrays:
            y_of = label_arrays[y]
            part = replace(part, vectors=_vectors(y_of, y)) if vectors else replace(part, labels=class_labels(y_of, y))
        parts.append(part)
        used |= {x, y}
    if vectors:
        _check_vectors(parts)
    if not parts:
        raise SparringError(
            f"{names[0] if len(names) == 1 else container.path} holds {', '.join(entries) or 'nothing'}: "
            "images are looked for as x, x_train, images or arr_0"
        )
    skipped = [Skipped(entry, "is no array of images or labels") for entry in entries if entry not in used]
    skipped += [Skipped(other, "is no NumPy file") for other in container.names if other not in names]
    return ImageArrays("NumPy", parts, [*container.refused, *skipped])


def _is_vectors(y: NDArray[Any]) -> bool:
    """Return True for numbers that name no classes: neither one-hot nor whole."""
    if y.dtype.kind not in "uifb" or not y.size:
        return False
    if y.ndim == 2 and y.shape[1] > 1:
        return not (((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())
    return y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == y.round()).all())


def _vectors(y: NDArray[Any], name: str) -> NDArray[np.float32]:
    """`y` as `[N, K]`; raises SparringError on what is no matrix of finite numbers."""
    if y.dtype.kind not in "uifb" or y.ndim not in (1, 2) or 0 in y.shape[1:]:
        raise no_labels(y, name)
    with np.errstate(over="ignore"):  # reported below
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
    if len(lengths := {label_arrays.shape[1] for label_arrays in vectors}) > 1:
        raise SparringError(
            f"labels are vectors of {' and of '.join(map(str, sorted(lengths)))} numbers: all have to be of one length"
        )
    if ((label_arrays := np.concatenate(vectors)) == label_arrays[:1]).all():
        raise SparringError(
            "the labels are the same vector for every image: labels are [N], one-hot [N, K], "
            "or vectors [N, K] that differ"
        )

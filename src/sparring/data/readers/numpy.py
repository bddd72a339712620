"""Images in NumPy's `.npy` and `.npz`.

They are one array, or `arr_0` / `x` (and `y`), or `x_train`, `y_train`, `x_test`, `y_test`.

Labels `y` are classes, `[N]` or one-hot `[N, K]`; or vectors: `[N, K]` that are not one-hot (attributes, the sine and
cosine of an angle), or `[N]` floats that are not whole (an age, a weight).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Container, Skipped, suffix
from sparring.data.images.axes import as_images
from sparring.data.numpy_io import Entries, labels_with_notes, no_labels, numpy_names, open_entries
from sparring.data.reader_api import RawDataset
from sparring.data.readers.array_dataset import ImageArrays, Part
from sparring.data.readers.images import mostly_images
from sparring.data.roles.arrays import Pair, pair_arrays
from sparring.data.roles.layout import understand
from sparring.engine.errors import SparringError

MOST_NAMED = 1_000
"""Files whose names may be classes."""


def read_numpy(container: Container) -> RawDataset | None:
    """Read the one `.npz` file of a container, or its `.npy` files; None where there are none, or far more pictures."""
    names = numpy_names(container)
    if not names or mostly_images(container, len(names)):
        return None
    entries = open_entries(container, names)
    pairs = pair_arrays(list(entries))
    if not pairs or _are_alike(pairs, entries):
        return _by_folder(container, names, entries)
    label_arrays = {y: entries[y]() for _, y, _ in pairs if y in entries}
    vectors = any(_is_vectors(y) for y in label_arrays.values())
    parts, used = [], set()
    for x, y, split in pairs:
        where = entries[x].name
        count = len(label_arrays[y]) if y in label_arrays and label_arrays[y].ndim else None
        images, notes = as_images(entries[x](), where, count)
        part = Part(where, split, images, notes=notes)
        if vectors and y not in label_arrays:
            raise SparringError(f"{where} comes without {y}: all images need a vector label, or none")
        if y in label_arrays:
            part = _labelled(part, label_arrays[y], y, vectors=vectors)
        parts.append(part)
        used |= {x, y}
    if vectors:
        _check_vectors(parts)
    skipped = [Skipped(entry, "is no array of images or labels") for entry in entries if entry not in used]
    skipped += [Skipped(other, "is no NumPy file") for other in container.names if other not in names]
    return ImageArrays("NumPy", parts, [*container.refused, *skipped])


def _labelled(part: Part, y: NDArray[Any], name: str, *, vectors: bool) -> Part:
    """Return images with their labels."""
    if vectors:
        return replace(part, vectors=_vectors(y, name))
    labels, notes = labels_with_notes(y, name)
    return replace(part, labels=labels, notes=[*part.notes, *notes])


def _are_alike(pairs: list[Pair], entries: Entries) -> bool:
    """Return True for arrays of one name in folders that are no splits, without labels: the folders are classes."""
    stems = Counter((pair.x.rpartition("/")[2], pair.split) for pair in pairs)
    return max(stems.values()) > 1 and not any(pair.y in entries for pair in pairs)


def _by_folder(container: Container, names: list[str], entries: Entries) -> RawDataset:
    """Return arrays whose names say nothing: their folders, or else their names, are classes.

    Raises SparringError where there is only one such array.
    """
    files = [name for name in names if suffix(name) == ".npy"]
    if len(files) < 2 or len(files) < len(names):
        where = names[0] if len(names) == 1 else container.path
        raise SparringError(
            f"{where} holds {', '.join(list(entries)[:8]) or 'nothing'}: images are looked for as x, x_train, images "
            "or arr_0, and labels as y, y_train, labels or arr_1"
        )
    arrays = {name: entry() for name, entry in zip(names, entries.values(), strict=True)}
    layout = understand(names)
    single = {len({array.shape for array in arrays.values()})} == {1} and _is_one_image(next(iter(arrays.values())))
    by_name = not single and not any(layout.labels.values()) and len(names) <= MOST_NAMED
    parts = []
    for k, (name, array) in enumerate(arrays.items()):
        images, notes = as_images(np.array(array)[None] if single else array, name)
        label = name.rpartition("/")[2].rpartition(".")[0] if by_name else layout.labels.get(k)
        parts.append(Part(name, layout.splits.get(k, "train"), images, [label] * len(images), notes=notes))
    remarks = ["the names of the files are taken for classes"] if by_name else []
    skipped = [Skipped(other, "is no NumPy file") for other in container.names if other not in names]
    return ImageArrays("NumPy", parts, [*container.refused, *skipped], [*layout.notes, *remarks])


def _is_one_image(array: NDArray[Any]) -> bool:
    return array.ndim == 2 or (array.ndim == 3 and {array.shape[0], array.shape[2]} & {1, 3, 4} != set())


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

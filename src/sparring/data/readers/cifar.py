"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), python and binary version, in a folder, a zip or a tar."""

from __future__ import annotations

import io
import pickle
import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Container, Skipped
from sparring.data.files.signatures import begins
from sparring.data.reader_api import RawDataset
from sparring.data.readers.array_dataset import ImageArrays, Part
from sparring.data.readers.images import mostly_images
from sparring.data.roles.layout import several_data_sets
from sparring.engine.errors import SparringError

PYTHON_10 = {f"data_batch_{k}" for k in range(1, 6)} | {"test_batch"}
BINARY_10 = {f"{name}.bin" for name in PYTHON_10}
PYTHON_100, BINARY_100 = {"train", "test"}, {"train.bin", "test.bin"}
LISTINGS = "batches.meta.txt", "fine_label_names.txt"
"""Files that name the classes of the binary version."""
PICKLED = b"\x80", b"(", b"c"
"""First bytes of a batch."""

ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
}  # fmt: skip
"""All that CIFAR's pickles name; anything else is refused before it runs."""


def read_cifar(container: Container) -> RawDataset | None:
    """Return the batches of CIFAR-10 or CIFAR-100; None where there are none."""
    batches = [name for name in container.names if _is_batch(container, name)]
    names = {name.rpartition("/")[2]: name for name in batches}
    if mostly_images(container, len(names)):
        return None
    if len(names) < len(batches) and names.keys() & (PYTHON_10 | BINARY_10):
        raise several_data_sets("", sorted({name.rpartition("/")[0] or "." for name in batches}))
    binary_100 = names.keys() >= BINARY_100
    if names.keys() & BINARY_10 or binary_100:
        return _binary(container, names, fine=binary_100)
    if names.keys() & PYTHON_10 or (names.keys() >= PYTHON_100 and "meta" in names):
        return _python(container, names)
    return None


def _is_batch(container: Container, name: str) -> bool:
    """Return True for a file that may be a batch, or name the classes of one, by its name and what it begins with."""
    base = name.rpartition("/")[2]
    if base in BINARY_10 or base in BINARY_100:
        record = 3074 if base in BINARY_100 else 3073
        return container.size(name) >= record
    if base in PYTHON_10 or base in PYTHON_100 | {"meta", "batches.meta"}:
        return any(begins(container, name, magic) for magic in PICKLED)
    return base in LISTINGS


def _split(name: str) -> Literal["train", "test"]:
    return "test" if name.startswith("test") else "train"


def _planes(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _python(container: Container, names: dict[str, str]) -> RawDataset:
    wanted = sorted(names.keys() & PYTHON_10) or sorted(PYTHON_100)
    meta = next((names[name] for name in ("batches.meta", "meta") if name in names), None)
    classes: list[str] = []
    if meta:
        labels_given = _unpickle(container.read(meta), meta)
        listed = labels_given.get(b"label_names") or labels_given.get(b"fine_label_names") or []
        classes = [_text(entry) for entry in listed] if isinstance(listed, list) else []
    parts = []
    for name in wanted:
        batch = _unpickle(container.read(names[name]), names[name])
        data, labels = batch.get(b"data"), batch.get(b"labels") or batch.get(b"fine_labels")
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
            raise SparringError(f"{names[name]} is no CIFAR batch: it has no uint8 data of 3072 values an image")
        if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
            raise SparringError(f"{names[name]} is no CIFAR batch: it has no list of labels")
        parts.append(Part(names[name], _split(name), _planes(data), [_named(label, classes) for label in labels]))
    return ImageArrays("CIFAR, python version", parts, _others(container, {*(part.name for part in parts), meta}))


def _binary(container: Container, names: dict[str, str], *, fine: bool) -> RawDataset:
    listing = next((names[n] for n in LISTINGS if n in names), None)
    classes = [_text(entry) for entry in container.read(listing).split()] if listing else []
    head = 2 if fine else 1  # CIFAR-100 has a coarse label first
    parts = []
    for name in sorted(names.keys() & (BINARY_100 if fine else BINARY_10)):
        content = np.frombuffer(container.read(names[name]), np.uint8)
        if len(content) % (head + 3072):
            raise SparringError(f"{names[name]} is torn: its length is no multiple of {head + 3072}")
        rows = content.reshape(-1, head + 3072)
        labels = [_named(int(label), classes) for label in rows[:, head - 1]]
        parts.append(Part(names[name], _split(name), _planes(rows[:, head:]), labels))
    return ImageArrays("CIFAR, binary version", parts, _others(container, {*(part.name for part in parts), listing}))


def _others(container: Container, used: set[str | None]) -> list[Skipped]:
    return [*container.refused, *(Skipped(name, "is no CIFAR batch") for name in container.names if name not in used)]


def _named(label: int, classes: list[str]) -> str:
    return classes[label] if 0 <= label < len(classes) else str(label)


def _text(entry: object) -> str:
    return entry.decode("utf-8", "replace") if isinstance(entry, bytes) else str(entry)


class _Careful(pickle.Unpickler):
    """Admits arrays, bytes, strings, whole numbers, lists and dicts; any other name in the pickle is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ADMITTED:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which could run code")


def _unpickle(content: bytes, name: str) -> dict[bytes, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's remarks on how it was pickled in 2009
            value = _Careful(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a hostile or torn pickle may raise anything
        raise SparringError(f"{name} is refused as a CIFAR batch: {error}") from error
    if not isinstance(value, dict):
        raise SparringError(f"{name} is no CIFAR batch: it holds a {type(value).__name__}, not a dict")
    return {key.encode() if isinstance(key, str) else key: entry for key, entry in value.items()}

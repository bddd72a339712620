"""The IDX format of MNIST (LeCun, Cortes, Burges): a file, or a folder with images and labels of train and test."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Container, Skipped, too_large
from sparring.data.files.gzip_io import read_gzip
from sparring.data.files.signatures import begins
from sparring.data.images.axes import as_images
from sparring.data.reader_api import RawDataset
from sparring.data.readers.array_dataset import ImageArrays, Part
from sparring.data.readers.images import mostly_images
from sparring.data.roles.arrays import LABELS, ArrayName, parse_name
from sparring.data.roles.layout import several_data_sets
from sparring.engine.errors import SparringError

ENDS = (".idx", "-ubyte", ".ubyte", "idx2-int", ".idx3", ".idx1", "-idx3", "-idx1")
"""How the names of IDX files end, before .gz."""
TYPES = {0x08: "u1", 0x0B: ">i2", 0x0C: ">i4"}
"""Code of a type of numbers -> NumPy's."""


def read_idx_files(container: Container) -> RawDataset | None:
    """Every `*idx3-ubyte[.gz]` (or other IDX file of images) with the labels that belong to it; None without any."""
    names = idx_names(container)
    every = {_stem(name): name for name in sorted(names, key=lambda name: not name.lower().endswith(".gz"))}
    parsed = {stem: parse_name(stem) for stem in every}
    labels_of = {(p.group, p.part): every[stem] for stem, p in parsed.items() if _holds_labels(p)}
    images = [stem for stem, p in parsed.items() if not _holds_labels(p)]
    if not images or mostly_images(container, len(names)):
        return None
    groups = list(dict.fromkeys(parsed[stem].group for stem in images))
    if len(groups) > 1 and sum(group in {key for key, _ in labels_of} for group in groups) > 1:
        raise several_data_sets("", [" ".join(group) or "the others" for group in groups])
    parts = []
    for stem in images:
        name, beside = every[stem], labels_of.get((parsed[stem].group, parsed[stem].part))
        labels = _labels(container, beside) if beside else None
        pixels, notes = as_images(parse_idx(container.read(name), name), name, None if labels is None else len(labels))
        parts.append(Part(name, parsed[stem].split or "train", pixels, labels, notes=notes))
    others = [
        Skipped(name, "is the same, packed" if name in names else "is no IDX file")
        for name in container.names
        if name not in every.values()
    ]
    return ImageArrays("IDX", parts, [*container.refused, *others])


def _holds_labels(name: ArrayName) -> bool:
    """Return True for labels, by a word or else by the number of their dimensions in the name."""
    return name.word in LABELS or (not name.word and "idx1" in name.key)


def idx_names(container: Container) -> list[str]:
    """Return the IDX files of a container, by the ends of their names and their first bytes."""
    return [name for name in container.names if _stem(name).endswith(ENDS) and _begins(container, name)]


def _begins(container: Container, name: str) -> bool:
    return any(begins(container, name, magic) for magic in (b"\0\0", b"\x1f\x8b"))


def parse_idx(content: bytes, name: str) -> NDArray[Any]:
    """Return the array in an IDX file, gzipped or not; raises SparringError where it is torn or holds other numbers."""
    gz = content[:2] == b"\x1f\x8b"
    head = read_gzip(content, name, 4 + 4 * 255, whole=False) if gz else content
    if len(head) < 4 or head[:2] != b"\0\0" or not 1 <= head[3] <= 4 or len(head) < 4 + 4 * head[3]:
        raise SparringError(f"{name} is no IDX file: it must begin with two zero bytes, a type and 1 to 4 dimensions")
    if head[2] not in TYPES:
        raise SparringError(f"{name} is an IDX file of type 0x{head[2]:02x}: bytes (0x08) and whole numbers are read")
    dtype = np.dtype(TYPES[head[2]])
    shape = struct.unpack(f">{head[3]}I", head[4 : 4 + 4 * head[3]])
    start, size = 4 + 4 * head[3], math.prod(shape) * dtype.itemsize
    if gz and (reason := too_large(size, len(content))):
        raise SparringError(f"{name} {reason}")
    data = read_gzip(content, name, start + size) if gz else content
    if len(data) != start + size:
        raise SparringError(f"{name} is torn: {len(data) - start:,} bytes of data instead of {size:,}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


def _labels(container: Container, name: str) -> list[str | None]:
    """Return labels `[N]`, or the first column of QMNIST's `[N, K]`."""
    values = parse_idx(container.read(name), name)
    if values.ndim != 1 and not (values.ndim == 2 and "idx2" in _stem(name)):
        raise SparringError(f"{name} has {values.ndim} dimensions: labels have one")
    return [str(value) for value in (values if values.ndim == 1 else values[:, 0])]


def _stem(name: str) -> str:
    return name.lower().removesuffix(".gz")

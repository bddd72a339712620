"""The IDX format of MNIST (LeCun, Cortes, Burges): a file, or a folder with images and labels of train and test."""

from __future__ import annotations

import math
import re
import struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.archive import Container, Skipped, too_large
from sparring.data.axes import as_images
from sparring.data.gzip_io import read_gzip
from sparring.data.reader_api import RawDataset
from sparring.data.readers.array_dataset import ImageArrays, Part
from sparring.data.readers.images import mostly_images
from sparring.data.signatures import begins
from sparring.engine.errors import SparringError

ENDS = (".idx", "-ubyte", ".ubyte", ".idx3", ".idx1", "-idx3", "-idx1")
"""How the names of IDX files end, before .gz."""


def read_idx_files(container: Container) -> RawDataset | None:
    """Every `*idx3-ubyte[.gz]` (or other IDX file of images) with the labels that belong to it; None without any."""
    names = idx_names(container)
    every = {_stem(name): name for name in sorted(names, key=lambda name: not name.lower().endswith(".gz"))}
    images = [stem for stem in every if "labels" not in stem and "idx1" not in stem]
    if not images or mostly_images(container, len(names)):
        return None
    parts = []
    for stem in images:
        name, beside = every[stem], every.get(stem.replace("images", "labels").replace("idx3", "idx1"))
        split: Literal["train", "test"] = "train"
        if {"t10k", "test"} & set(re.split("[^a-z0-9]", stem.rsplit("/", 1)[-1])):
            split = "test"
        labels = _labels(container, beside) if beside and beside != name else None
        pixels, notes = as_images(parse_idx(container.read(name), name), name, None if labels is None else len(labels))
        parts.append(Part(name, split, pixels, labels, notes=notes))
    others = [
        Skipped(name, "is the same, packed" if name in names else "is no IDX file")
        for name in container.names
        if name not in every.values()
    ]
    return ImageArrays("IDX", parts, [*container.refused, *others])


def idx_names(container: Container) -> list[str]:
    """Return the IDX files of a container, by the ends of their names and their first bytes."""
    return [name for name in container.names if _stem(name).endswith(ENDS) and _begins(container, name)]


def _begins(container: Container, name: str) -> bool:
    return any(begins(container, name, magic) for magic in (b"\0\0", b"\x1f\x8b"))


def parse_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """Return the array in an IDX file, gzipped or not; raises SparringError where it is torn or holds no bytes."""
    gz = content[:2] == b"\x1f\x8b"
    head = read_gzip(content, name, 4 + 4 * 255, whole=False) if gz else content
    if len(head) < 4 or head[:2] != b"\0\0" or not 1 <= head[3] <= 4 or len(head) < 4 + 4 * head[3]:
        raise SparringError(f"{name} is no IDX file: it must begin with two zero bytes, a type and 1 to 4 dimensions")
    if head[2] != 0x08:
        raise SparringError(f"{name} is an IDX file of type 0x{head[2]:02x}: only bytes (0x08) are read")
    shape = struct.unpack(f">{head[3]}I", head[4 : 4 + 4 * head[3]])
    start, size = 4 + 4 * head[3], math.prod(shape)
    if gz and (reason := too_large(size, len(content))):
        raise SparringError(f"{name} {reason}")
    data = read_gzip(content, name, start + size) if gz else content
    if len(data) != start + size:
        raise SparringError(f"{name} is torn: {len(data) - start:,} bytes of data instead of {size:,}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _labels(container: Container, name: str) -> list[str | None]:
    values = parse_idx(container.read(name), name)
    if values.ndim != 1:
        raise SparringError(f"{name} has {values.ndim} dimensions: labels have one")
    return [str(value) for value in values]


def _stem(name: str) -> str:
    return name.lower().removesuffix(".gz")

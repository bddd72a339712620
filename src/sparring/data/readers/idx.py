"""The IDX format of MNIST (LeCun, Cortes, Burges): a file, or a folder with images and labels of train and test."""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from sparring.data.container import LARGEST_FILE, Container, LeftOut, read_gzip
from sparring.data.found import Found
from sparring.data.readers.arrays import ImageArrays, Part, as_images
from sparring.engine.errors import SparringError


def read_idx_files(container: Container) -> Found | None:
    """Every `*idx3-ubyte[.gz]` (or other IDX file of images) with the labels that belong to it; None without any."""
    names = [name for name in container.names if _is_idx(name)]
    images = [name for name in names if "labels" not in name.lower() and "idx1" not in name.lower()]
    if not images:
        return None
    parts = []
    for name in images:
        stem = name.lower().removesuffix(".gz")
        wanted = stem.replace("images", "labels").replace("idx3", "idx1")
        beside = next((n for n in names if n not in images and n.lower().removesuffix(".gz") == wanted), None)
        labels = [str(value) for value in parse_idx(container.read(beside), beside)] if beside else None
        split = "test" if any(word in stem.rsplit("/", 1)[-1] for word in ("t10k", "test")) else "train"
        parts.append(Part(name, "test" if split == "test" else "train", _images(container, name), labels))
    others = [LeftOut(name, "is no IDX file") for name in container.names if name not in names]
    return ImageArrays("IDX", parts, [*container.refused, *others])


def parse_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """The array in an IDX file, gzipped or not; raises SparringError where it is torn or holds no bytes."""
    gz = content[:2] == b"\x1f\x8b"
    head = read_gzip(content, 4 + 4 * 255, whole=False) if gz else content
    if len(head) < 4 or head[:2] != b"\0\0" or not 1 <= head[3] <= 4 or len(head) < 4 + 4 * head[3]:
        raise SparringError(f"{name} is no IDX file: it must begin with two zero bytes, a type and 1 to 4 dimensions")
    if head[2] != 0x08:
        raise SparringError(f"{name} is an IDX file of type 0x{head[2]:02x}: only bytes (0x08) are read")
    shape = struct.unpack(f">{head[3]}I", head[4 : 4 + 4 * head[3]])
    start, size = 4 + 4 * head[3], math.prod(shape)
    if size > LARGEST_FILE:
        raise SparringError(f"{name} announces {size:,} bytes, more than the {LARGEST_FILE:,} that are taken")
    data = read_gzip(content, start + size) if gz else content
    if len(data) != start + size:
        raise SparringError(f"{name} is torn: {len(data) - start:,} bytes of data instead of {size:,}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _images(container: Container, name: str) -> NDArray[np.uint8]:
    return as_images(parse_idx(container.read(name), name), name)


def _is_idx(name: str) -> bool:
    stem = name.lower().removesuffix(".gz").rsplit("/", 1)[-1]
    return stem.endswith((".idx", "-ubyte", ".ubyte")) or ("idx3" in stem or "idx1" in stem)

"""Rows of a data set in one file: which dtype and shape they have, and how they are read without growing memory."""

from __future__ import annotations

import json
import math
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparring.data.streamed import StreamedStore
from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec, PairSpec, SeriesSpec, TableSpec
from sparring.engine.errors import SparringError
from sparring.engine.pair_spec import HALVES, pair_dtype


@dataclass(frozen=True)
class StoreLayout:
    """How one row lies in the file."""

    dtype: np.dtype[Any]
    row_shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.row_shape) * self.dtype.itemsize


@singledispatch
def store_for(spec: DataSpec) -> StoreLayout:
    """Return the layout of the stored rows of a kind of data."""
    raise NotImplementedError(f"store_for is not registered for {type(spec).__name__}")


@store_for.register
def _(spec: ImageSpec) -> StoreLayout:
    return StoreLayout(np.dtype(np.uint8), (spec.height, spec.width, spec.channels))


@store_for.register
def _(spec: AudioSpec) -> StoreLayout:
    return StoreLayout(np.dtype(np.int16), (spec.length,))


@store_for.register
def _(spec: SeriesSpec) -> StoreLayout:
    return StoreLayout(np.dtype(np.float32), spec.shape)


@store_for.register
def _(spec: TableSpec) -> StoreLayout:
    return StoreLayout(np.dtype(np.float32), spec.shape)


@store_for.register
def _(spec: PairSpec) -> StoreLayout:
    halves = map(store_for, spec.halves)
    return StoreLayout(pair_dtype([(half.dtype, half.row_shape) for half in halves]), ())


class Store(Protocol):
    """Stored rows by number."""

    def read(self, rows: Sequence[int], into: NDArray[Any]) -> None:
        """Read `rows` into the rows of `into`."""
        ...


class RowStore:
    """A file of rows of one size, read row by row.

    Not through a map: around each page that is touched the kernel maps others (2 MiB on ext4), and all of them count as
    this process's memory.
    """

    def __init__(self, path: Path, row_bytes: int, count: int) -> None:
        if path.stat().st_size != row_bytes * count:
            raise ValueError(f"{path} is {path.stat().st_size:,} bytes long instead of {row_bytes * count:,}")
        self._path, self._row_bytes = path, row_bytes
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)

    def read(self, rows: Iterable[int], into: NDArray[Any]) -> None:
        """Read `rows` into the rows of `into`, which lie one after another; shorter ones get the beginning of a row."""
        for row, target in zip(rows, into, strict=True):
            if hasattr(os, "preadv"):
                read = os.preadv(self._file, [target.data], row * self._row_bytes)
            else:  # Windows
                os.lseek(self._file, row * self._row_bytes, os.SEEK_SET)
                content = os.read(self._file, target.nbytes)
                read = len(content)
                target.data.cast("B")[:read] = content
            if read != target.nbytes:
                raise SparringError(f"{self._path} is cut off at row {row}: remove its folder, it is built anew")


class PairStore:
    """Rows of two stores, side by side."""

    def __init__(self, halves: Sequence[Store], numbers: NDArray[np.int64]) -> None:
        self._halves, self._numbers = halves, numbers

    def read(self, rows: Sequence[int], into: NDArray[Any]) -> None:
        """Read the pairs `rows` into the structured rows of `into`."""
        for half, store, numbers in zip(HALVES, self._halves, self._numbers[rows].T, strict=True):
            store.read(numbers.tolist(), into[half])


def open_store(folder: Path, meta: Mapping[str, Any]) -> Store:
    """Open the rows of a data set in the cache, described by its `meta.json`; those of pairs lie in two others."""
    if halves := meta.get("halves"):
        folders = [folder.parent / name for name in halves]
        metas = [json.loads((each / "meta.json").read_text(encoding="utf-8")) for each in folders]
        return PairStore(list(map(open_store, folders, metas)), np.load(folder / "pairs.npy"))
    if streamed := meta.get("streamed"):
        return StreamedStore.load(folder, streamed)
    return RowStore(folder / "rows.bin", meta["row_bytes"], meta["rows"])


def reserve(path: Path, count: int, layout: StoreLayout) -> np.memmap[Any, np.dtype[Any]]:
    """Create a file of `count` rows as a memory map with reserved disk space: a page without it kills the process."""
    size = count * layout.row_bytes
    with open(path, "wb") as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
    return np.memmap(path, layout.dtype, "r+", shape=(count, *layout.row_shape))

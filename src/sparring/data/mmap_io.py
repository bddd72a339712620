"""Data larger than memory: pages of a map handed back, and rows of a file read at their place."""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparring.engine.errors import SparringError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def let_go(array: NDArray[Any]) -> None:
    """Unmap the pages that were touched, if `array` looks into a map; what was written stays on its way to the file."""
    base: object = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if isinstance(base, mmap.mmap):
        with suppress(AttributeError, OSError, ValueError):  # not on Windows; there the system does it
            base.madvise(mmap.MADV_DONTNEED)


class RowFile:
    """A file of rows of one length, read row by row.

    Not through a map: around each page that is touched the kernel maps others (2 MiB on ext4), and all of them count as
    this process's memory.
    """

    def __init__(self, path: Path, length: int, count: int) -> None:
        if path.stat().st_size != length * count:
            raise ValueError(f"{path} is {path.stat().st_size:,} bytes long instead of {length * count:,}")
        self._path, self._length = path, length
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)

    def read(self, rows: Iterable[int], into: NDArray[np.uint8]) -> None:
        """Read `rows` into the rows of `into`, which lie one after another."""
        for row, place in zip(rows, into, strict=True):
            if hasattr(os, "preadv"):
                read = os.preadv(self._file, [place.data], row * self._length)
            else:  # Windows
                os.lseek(self._file, row * self._length, os.SEEK_SET)
                content = os.read(self._file, self._length)
                read = len(content)
                place.data.cast("B")[:read] = content
            if read != self._length:
                raise SparringError(f"{self._path} is cut off at row {row}: remove its folder, it is built anew")

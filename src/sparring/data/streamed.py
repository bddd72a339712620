"""Images that are decoded whenever they are read: the cache keeps their places in tar files, and no decoded copy."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Container
from sparring.data.images.decode import decode
from sparring.data.reader_api import MODES, Shape
from sparring.engine.errors import SparringError, UsageError

PLACE = np.dtype([("file", np.int32), ("offset", np.int64), ("size", np.int64)])
"""Number of a tar file, and where in it an encoded image lies, in bytes."""
PLACES = "places.npy"
"""Name of the file of places in the cache."""
OPEN_FILES = 64
"""Largest number of tar files that stay open."""


class StreamedStore:
    """Rows `[H, W, C]` of images that are decoded at each reading, in place of a file of decoded rows."""

    def __init__(self, files: Sequence[str], places: NDArray[Any], shape: Shape) -> None:
        """Read from tar `files`, at `places` `[N]` of dtype `PLACE`."""
        self.files, self.places, self.shape = files, places, shape
        self._opened = lru_cache(maxsize=OPEN_FILES)(_TarFile)

    def read(self, rows: Sequence[int], into: NDArray[Any]) -> None:
        """Decode `rows` into the rows of `into`; raise SparringError where a file has changed."""
        for row, target in zip(rows, into, strict=True):
            number, offset, size = self.places[row].tolist()
            path = self.files[number]
            try:
                data, _ = decode(self._opened(path).read(offset, size), self.shape)
                target[...] = np.frombuffer(data, np.uint8).reshape(target.shape)
            except Exception as error:  # whatever a changed file makes the decoder raise
                raise SparringError(
                    f"an image in {path} cannot be read any more ({error}): run the command without --stream, or "
                    "restore the file"
                ) from error

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return decoded rows `[B, H, W, C]`."""
        height, width, mode = self.shape
        stored = np.empty((len(rows), height, width, MODES[mode]), np.uint8)
        self.read(rows.tolist(), stored)
        return stored

    def __setitem__(self, rows: NDArray[np.int64], values: NDArray[np.uint8]) -> None:
        """Raise UsageError: no decoded row is kept."""
        raise UsageError("dark images are stored with another scale, and --stream stores none: leave it out")

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the places into `folder`; return what `load` needs beside them, for JSON."""
        np.save(folder / PLACES, self.places)
        return {"files": list(self.files), "shape": list(self.shape)}

    @classmethod
    def load(cls, folder: Path, saved: Mapping[str, Any]) -> StreamedStore:
        """Return the store that `save` wrote."""
        return cls(saved["files"], np.load(folder / PLACES, mmap_mode="r"), Shape(*saved["shape"]))


def streamed_store(container: Container, names: Sequence[str], shape: Shape) -> StreamedStore:
    """Return the images `names` of a tar file, or of a folder of tar files, undecoded.

    Raises UsageError for an image that lies elsewhere.
    """
    numbers: dict[str, int] = {}
    known = _places(container.ticket(names))
    places = np.empty(len(names), PLACE)
    for row, name in enumerate(names):
        if name not in known:
            raise UsageError(
                f"--stream reads images in tar files, and {name} of {container.path} is in none: leave it out, or "
                "pack the images into .tar files"
            )
        path, offset, size = known[name]
        places[row] = numbers.setdefault(path, len(numbers)), offset, size
    return StreamedStore(list(numbers), places, shape)


def _places(ticket: Mapping[str, Any]) -> dict[str, tuple[str, int, int]]:
    """Return tar file, offset and size of each name of a container's ticket; names that lie in no tar are missing."""
    match ticket["kind"]:
        case "tar":
            return {name: (ticket["path"], *place) for name, place in ticket["places"].items()}
        case "archive_set":
            parts = {folder: _places(part) for folder, part in ticket["parts"].items() if folder}
            return {f"{folder}/{name}": place for folder, part in parts.items() for name, place in part.items()}
        case "renamed":
            whole = _places(ticket["whole"])
            return {name: whole[old] for name, old in ticket["names"].items() if old in whole}
        case _:
            return {}


class _TarFile:
    """A file that is read from several threads, and closed when nothing uses it any more."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)

    def read(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file, size, offset)
        os.lseek(self._file, offset, os.SEEK_SET)  # Windows
        return os.read(self._file, size)

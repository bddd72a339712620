"""Places that hold files, and their names; `packed` has those that are archives."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol

from sparring.data.files.folder_listing import CACHE_TAG, Listing, Skipped, is_hidden, list_folder
from sparring.engine.errors import SparringError

__all__ = [
    "CACHE_TAG", "Container", "Folder", "Skipped", "Unreadable", "bomb", "is_hidden", "natural", "suffix", "too_large",
]  # fmt: skip

LARGEST_FILE = 8 << 30
"""Bytes: a larger member of an archive is refused."""
DIGITS = re.compile("([0-9]+)")
HIGHEST_RATIO = 200
"""A member that unpacks to over 64 MiB and over this many times its size is refused as a decompression bomb."""


class Unreadable(SparringError):
    """A file in a container whose bytes cannot be had."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.reason = reason


class Container(Protocol):
    """A place that holds files."""

    path: Path

    @property
    def names(self) -> list[str]:
        """The files in it, '/' between the parts, in natural order."""
        ...

    @property
    def refused(self) -> list[Skipped]:
        """What may not be read, and why."""
        ...

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; raises `Unreadable`."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Return a file as a stream, for what is too large to hold; raises `Unreadable`."""
        ...

    def size(self, name: str) -> int:
        """Bytes of a file, unpacked."""
        ...

    def place(self, name: str) -> Path | None:
        """Where a file lies on the disk, if it lies there by itself."""
        ...

    def key(self) -> str:
        """Return a quick digest of names, sizes and times: equal as long as nothing was touched."""
        ...

    def ticket(self, names: Iterable[str]) -> dict[str, Any]:
        """Return what another process needs to read `names`, as JSON; see `decode.reopen`."""
        ...


class Folder:
    """A folder, with all folders below it; or one file, as a folder of one. Listed at the first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._base = path if path.is_dir() else path.parent

    @cached_property
    def names(self) -> list[str]:
        """The files in it, in natural order."""
        return sorted(self._listed.files, key=natural)

    @property
    def refused(self) -> list[Skipped]:
        """What may not be read, and why."""
        return self._listed.refused

    @property
    def notes(self) -> list[str]:
        """Remarks on links."""
        return self._listed.notes

    @cached_property
    def _listed(self) -> Listing:
        if self._base != self.path:
            status = self.path.stat()
            return Listing({self.path.name: (status.st_size, status.st_mtime_ns)}, [], [])
        return list_folder(self._base)

    def read(self, name: str) -> bytes:
        """Return the bytes of one file."""
        try:
            with open(os.path.join(self._base, name), "rb", buffering=0) as file:
                return file.readall()
        except OSError as error:
            raise Unreadable(name, f"cannot be read: {error.strerror}") from error

    def open(self, name: str) -> IO[bytes]:
        """Return a file as a stream."""
        try:
            return open(os.path.join(self._base, name), "rb")
        except OSError as error:
            raise Unreadable(name, f"cannot be read: {error.strerror}") from error

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._listed.files[name][0]

    def place(self, name: str) -> Path | None:
        """Where a file lies."""
        return self._base / name

    def key(self) -> str:
        """Return a quick digest of names, sizes and times."""
        digest = hashlib.blake2b(str(self.path.resolve()).encode(errors="surrogateescape"), digest_size=16)
        for name, (size, time) in sorted(self._listed.files.items()):
            digest.update(f"{name}\0{size}\0{time}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def ticket(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the path: it says all."""
        return {"kind": "folder", "path": str(self.path)}


def natural(name: str) -> str:
    """Return a sort key that puts `img2` before `img10`: before each number the count of its digits, as a character.

    One string takes a fifth of the memory of a list of parts; millions of names are sorted.
    """
    parts = DIGITS.split(name)  # text and digits by turns
    for k in range(1, len(parts), 2):
        number = parts[k].lstrip("0")
        parts[k] = f"\0{chr(len(number))}{number}"
    return "".join([*parts, "\0", name])


def suffix(name: str) -> str:
    """Return the suffix of a file's name in lower case, with its dot; none if it is a number (`scan.0001`)."""
    stem, dot, end = name.rpartition("/")[2].rpartition(".")
    return f".{end.lower()}" if dot and stem.strip(".") and not end.isdigit() else ""


def too_large(size: int, packed: int) -> str | None:
    """Why a file of this size, and this size packed, is refused."""
    if size > LARGEST_FILE:
        return f"unpacks to {size:,} bytes, more than the {LARGEST_FILE:,} that are taken"
    return bomb(size, packed)


def bomb(size: int, packed: int) -> str | None:
    """Why a file that unpacks to `size` bytes or more is refused as a decompression bomb; None where it is not."""
    if size > (64 << 20) and size > HIGHEST_RATIO * max(packed, 1):
        return f"is a decompression bomb: {packed:,} bytes unpack to {size:,} or more"
    return None

"""Places that hold files: a folder, one file, a zip, a tar. Read in place, by name; nothing is extracted by name."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from sparring.engine.errors import SparringError

LARGEST_FILE = 8 << 30
"""Bytes: a larger member of an archive is refused."""
DIGITS = re.compile("([0-9]+)")
CACHE_TAG = "CACHEDIR.TAG"
"""File that marks a folder as a cache (https://bford.info/cachedir)."""
HIGHEST_RATIO = 200
"""A member that unpacks to over 64 MiB and over this many times its size is refused as a decompression bomb."""


@dataclass(frozen=True)
class Skipped:
    """A file that is not used, and why."""

    name: str
    reason: str


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
        return sorted(self._listed[0], key=natural)

    @property
    def refused(self) -> list[Skipped]:
        """What may not be read, and why."""
        return self._listed[1]

    @cached_property
    def _listed(self) -> tuple[dict[str, tuple[int, int]], list[Skipped]]:
        """Name -> size and time; and what may not be read."""
        files: dict[str, tuple[int, int]] = {}
        refused: list[Skipped] = []
        if self._base != self.path:
            status = self.path.stat()
            return {self.path.name: (status.st_size, status.st_mtime_ns)}, refused
        visited: set[tuple[int, int]] = set()
        folders = [""]
        while folders:
            prefix = folders.pop()
            try:
                status = os.stat(self._base / prefix)
                if (status.st_dev, status.st_ino) in visited:  # a link that leads back
                    continue
                visited.add((status.st_dev, status.st_ino))
                with os.scandir(self._base / prefix) as entries:
                    inside = sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
            except OSError as error:
                refused.append(Skipped(prefix or ".", f"cannot be read: {error.strerror}"))
                continue
            if prefix and any(entry.name == CACHE_TAG for entry in inside):
                refused.append(Skipped(prefix, f"is a cache ({CACHE_TAG})"))
                continue
            below = []
            for entry in inside:
                name = prefix + entry.name
                try:
                    if not entry.is_dir():
                        status = entry.stat()
                        if stat.S_ISREG(status.st_mode):
                            files[name] = status.st_size, status.st_mtime_ns
                        else:
                            refused.append(Skipped(name, "is no ordinary file"))
                    elif is_hidden(entry.name):
                        refused.append(Skipped(f"{name}/", "is hidden"))
                    else:
                        below.append(f"{name}/")
                except OSError as error:
                    refused.append(Skipped(name, f"cannot be read: {error.strerror}"))
            folders += reversed(below)
        return files, refused

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
        return self._listed[0][name][0]

    def place(self, name: str) -> Path | None:
        """Where a file lies."""
        return self._base / name

    def key(self) -> str:
        """Return a quick digest of names, sizes and times."""
        digest = hashlib.blake2b(str(self.path.resolve()).encode(errors="surrogateescape"), digest_size=16)
        for name, (size, time) in sorted(self._listed[0].items()):
            digest.update(f"{name}\0{size}\0{time}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def ticket(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the path: it says all."""
        return {"kind": "folder", "path": str(self.path)}


class Zip:
    """A zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[Skipped] = []
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise SparringError(f"{path} is no readable zip file: {error}") from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.filename.replace("\\", "/")  # as some packers on Windows write it
            if info.is_dir() or name.endswith("/"):
                continue
            reason = _leads_out(info.filename) or too_large(info.file_size, info.compress_size)
            if stat.S_ISLNK(info.external_attr >> 16):
                reason = "is a link"
            if info.flag_bits & 1:
                reason = "is encrypted"
            if reason:
                self.refused.append(Skipped(info.filename, reason))
            else:
                self._members[name] = info
        self.names = sorted(self._members, key=natural)

    def read(self, name: str) -> bytes:
        """Return the bytes of one member."""
        try:
            return self._zip.read(self._members[name])
        except MemoryError:
            raise
        except Exception as error:  # zipfile's, and those of the four packers in it
            raise Unreadable(name, "is damaged in the archive") from error

    def open(self, name: str) -> IO[bytes]:
        """Return a member as a stream, unpacked piece by piece."""
        try:
            return self._zip.open(self._members[name])
        except Exception as error:  # as above
            raise Unreadable(name, "is damaged in the archive") from error

    def size(self, name: str) -> int:
        """Bytes of a member, unpacked."""
        return self._members[name].file_size

    def place(self, name: str) -> Path | None:
        """Nowhere: it is packed."""
        return None

    def key(self) -> str:
        """Return a quick digest of the file's name, size and time."""
        return _file_key(self.path)

    def ticket(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the path: it says all."""
        return {"kind": "zip", "path": str(self.path)}


class Tar:
    """An uncompressed tar file; `gzip_io.unpacked` makes one of a tar.gz.

    `places` (name -> offset, size) are given where they are known.
    """

    def __init__(self, path: Path, places: dict[str, tuple[int, int]] | None = None) -> None:
        self.path = path
        self.refused: list[Skipped] = []
        self._places: dict[str, tuple[int, int]] = {}
        if places is None:
            self._look_through()
        else:
            self._places = places
        self.names = sorted(self._places, key=natural)

    def _look_through(self) -> None:
        try:
            with tarfile.open(self.path, "r:") as tar:
                for member in tar:
                    reason = _leads_out(member.name) or too_large(member.size, member.size)
                    if member.issym() or member.islnk():
                        reason = "is a link"
                    elif member.issparse() or not (member.isfile() or member.isdir()):
                        reason = "is no ordinary file"
                    if reason:
                        self.refused.append(Skipped(member.name, reason))
                    elif member.isfile():
                        self._places[member.name.removeprefix("./")] = (member.offset_data, member.size)
                end = tar.offset
            with open(self.path, "rb") as file:
                file.seek(end)
                if file.read(512).strip(b"\0"):  # tarfile stops there without a word
                    raise tarfile.ReadError(f"it breaks off after {len(self._places):,} files")
        except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError) as error:
            raise SparringError(f"{self.path} is no readable tar file: {error}") from error

    def read(self, name: str) -> bytes:
        """Return the bytes of one member."""
        offset, size = self._places[name]
        try:
            with open(self.path, "rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise Unreadable(name, f"cannot be read: {error.strerror}") from error

    def open(self, name: str) -> IO[bytes]:
        """Return a member as a stream."""
        offset, size = self._places[name]
        try:
            return io.BufferedReader(_Section(open(self.path, "rb", buffering=0), offset, size))
        except OSError as error:
            raise Unreadable(name, f"cannot be read: {error.strerror}") from error

    def size(self, name: str) -> int:
        """Bytes of a member."""
        return self._places[name][1]

    def place(self, name: str) -> Path | None:
        """Nowhere: it is in the archive."""
        return None

    def key(self) -> str:
        """Return a quick digest of the file's name, size and time."""
        return _file_key(self.path)

    def ticket(self, names: Iterable[str]) -> dict[str, Any]:
        """Return path and places, for a tar has no table of contents."""
        return {"kind": "tar", "path": str(self.path), "places": {name: self._places[name] for name in names}}


class _Section(io.RawIOBase):
    """A stretch of a file as a stream of its own, which closes the file."""

    def __init__(self, file: io.RawIOBase, offset: int, size: int) -> None:
        self._file, self._left = file, size
        file.seek(offset)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: self._left]
        count = self._file.readinto(view) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def open_container(path: Path) -> Container:
    """Return the container at `path`, by what it is, not by what it is called. A tar.gz must be unpacked first."""
    if path.is_dir():
        return Folder(path)
    if path.suffix.lower() not in (".npz", ".parquet") and zipfile.is_zipfile(path):
        return Zip(path)
    if _is_tar(path):
        return Tar(path)
    return Folder(path)


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that puts `img2` before `img10`."""
    parts = DIGITS.split(name)  # text and digits by turns
    key = [(0, part) for part in parts]
    for k in range(1, len(parts), 2):
        number = parts[k].lstrip("0")
        key[k] = len(number), number
    return key, name


def suffix(name: str) -> str:
    """Return the suffix of a file's name in lower case, with its dot; none if it is a number (`scan.0001`)."""
    stem, dot, end = name.rpartition("/")[2].rpartition(".")
    return f".{end.lower()}" if dot and stem.strip(".") and not end.isdigit() else ""


def is_hidden(part: str) -> bool:
    """Return True for a name, of a file or a folder, that is not meant to be seen."""
    return part.startswith(".") or part == "__MACOSX"


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


def _leads_out(name: str) -> str | None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    absolute = name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name)
    return "leads out of the archive" if absolute or ".." in parts else None


def _is_tar(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(512)[257:262] == b"ustar"
    except OSError:
        return False


def _file_key(path: Path) -> str:
    status = path.stat()
    text = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()

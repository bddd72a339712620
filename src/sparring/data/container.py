"""Places that hold files: a folder, one file, a zip, a tar. Read in place, by name; nothing is ever extracted by name."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from sparring.engine.errors import SparringError

LARGEST_FILE = 8 << 30
"""Bytes: a larger member of an archive is refused."""
HIGHEST_RATIO = 200
"""A member that unpacks to over 64 MiB and over this many times its size is refused as a decompression bomb."""


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used, and why."""

    name: str
    why: str


class Container(Protocol):
    """A place that holds files."""

    path: Path
    names: list[str]
    """The files in it, '/' between the parts, in natural order."""
    refused: list[LeftOut]
    """What may not be read, and why."""

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        ...

    def key(self) -> str:
        """A quick digest of names, sizes and times: equal as long as nothing was touched."""
        ...


class Folder:
    """A folder, with all folders below it; or one file, as a folder of one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[LeftOut] = []
        self._stats: dict[str, os.stat_result] = {}
        if path.is_dir():
            self._base = path
            self._walk(path, "", set())
        else:
            self._base = path.parent
            self._stats[path.name] = path.stat()
        self.names = sorted(self._stats, key=natural)

    def _walk(self, folder: Path, prefix: str, seen: set[str]) -> None:
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back
            return
        seen.add(real)
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                try:
                    if entry.is_dir():
                        if not entry.name.startswith((".", "__MACOSX")):
                            self._walk(Path(entry.path), f"{name}/", seen)
                    elif stat.S_ISREG((status := entry.stat()).st_mode):
                        self._stats[name] = status
                    else:
                        self.refused.append(LeftOut(name, "is no ordinary file"))
                except OSError as error:
                    self.refused.append(LeftOut(name, f"cannot be read: {error.strerror}"))

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        return (self._base / name).read_bytes()

    def key(self) -> str:
        """A quick digest of names, sizes and times."""
        digest = hashlib.blake2b(str(self.path.resolve()).encode(errors="surrogateescape"), digest_size=16)
        for name in self.names:
            status = self._stats[name]
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()


class Zip:
    """A zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[LeftOut] = []
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise SparringError(f"{path} is no readable zip file: {error}") from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.is_dir():
                continue
            why = _leads_out(info.filename) or _too_large(info.file_size, info.compress_size)
            if stat.S_ISLNK(info.external_attr >> 16):
                why = "is a link"
            if info.flag_bits & 1:
                why = "is encrypted"
            if why:
                self.refused.append(LeftOut(info.filename, why))
            else:
                self._members[info.filename] = info
        self.names = sorted(self._members, key=natural)

    def read(self, name: str) -> bytes:
        """The bytes of one member."""
        return self._zip.read(self._members[name])

    def key(self) -> str:
        """A quick digest of the file's name, size and time."""
        return _file_key(self.path)


class Tar:
    """An uncompressed tar file; `unpacked` makes one of a tar.gz."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[LeftOut] = []
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with tarfile.open(path, "r:") as tar:
                for member in tar:
                    why = _leads_out(member.name) or _too_large(member.size, member.size)
                    if member.issym() or member.islnk():
                        why = "is a link"
                    elif not (member.isfile() or member.isdir()):
                        why = "is no ordinary file"
                    if why:
                        self.refused.append(LeftOut(member.name, why))
                    elif member.isfile():
                        self._places[member.name.removeprefix("./")] = (member.offset_data, member.size)
        except (tarfile.TarError, OSError) as error:
            raise SparringError(f"{path} is no readable tar file: {error}") from error
        self.names = sorted(self._places, key=natural)

    def read(self, name: str) -> bytes:
        """The bytes of one member."""
        offset, size = self._places[name]
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def key(self) -> str:
        """A quick digest of the file's name, size and time."""
        return _file_key(self.path)


def open_container(path: Path) -> Container:
    """The container at `path`, by what it is, not by what it is called. A tar.gz must be unpacked first."""
    if path.is_dir():
        return Folder(path)
    if path.suffix not in (".npz", ".parquet") and zipfile.is_zipfile(path):
        return Zip(path)
    if _is_tar(path):
        return Tar(path)
    return Folder(path)


def is_packed_tar(path: Path) -> bool:
    """True for a tar inside gzip."""
    if path.is_dir():
        return False
    try:
        with gzip.open(path) as file:
            return file.read(512)[257:262] == b"ustar"
    except (OSError, EOFError, zlib.error):
        return False


def unpacked(path: Path, target: Path) -> Path:
    """Write the tar inside the tar.gz at `path` to `target`; raises on a decompression bomb or a full disk."""
    size, done = path.stat().st_size, 0
    room = shutil.disk_usage(target.parent).free * 9 // 10
    try:
        with gzip.open(path) as source, open(target, "wb") as out:
            while block := source.read(1 << 22):
                done += len(block)
                if why := _too_large(done, size):
                    raise SparringError(f"{path} {why}")
                if done > room:
                    raise SparringError(f"{path} does not fit unpacked on the disk of {target.parent}: make room there")
                out.write(block)
    except (OSError, EOFError, zlib.error) as error:
        raise SparringError(f"{path} is damaged: {error}") from error
    return target


def read_gzip(content: bytes, limit: int, *, whole: bool = True) -> bytes:
    """At most `limit` bytes out of gzip. Raises SparringError where it is damaged, or, if `whole`, where there are more."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            data = file.read(limit + whole)
    except (OSError, EOFError, zlib.error) as error:
        raise SparringError(f"damaged gzip data: {error}") from error
    if len(data) > limit:
        raise SparringError(f"gzip data unpack to more than the {limit:,} bytes that were announced")
    return data


def natural(name: str) -> list[tuple[bool, int, str]]:
    """A sort key that puts `img2` before `img10`."""
    return [
        (False, int(part), part) if part.isascii() and part.isdigit() else (True, 0, part)
        for part in re.split("([0-9]+)", name)
    ]


def _leads_out(name: str) -> str | None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    absolute = name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":")
    return "leads out of the archive" if absolute or ".." in parts else None


def _too_large(size: int, packed: int) -> str | None:
    if size > LARGEST_FILE:
        return f"unpacks to {size:,} bytes, more than the {LARGEST_FILE:,} that are taken"
    if size > (64 << 20) and size > HIGHEST_RATIO * max(packed, 1):
        return f"is a decompression bomb: {packed:,} bytes unpack to {size:,} or more"
    return None


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

"""Zip and tar files as containers. Read in place, by name; nothing is extracted by name."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, Any

from sparring.data.files.archive import Container, Folder, Skipped, Unreadable, is_hidden, natural, too_large
from sparring.data.files.name_encoding import zip_names
from sparring.engine.errors import SparringError

METHODS = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd",
    99: "AES",
}  # fmt: skip
"""Number of a method of packing that is not read -> its name."""
READ_METHODS = frozenset([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])


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
        infos = self._zip.infolist()
        for info, name in zip(infos, zip_names(infos), strict=True):
            if info.is_dir() or name.endswith("/"):
                continue
            reason = _leads_out(name) or _refused(name, info) or too_large(info.file_size, info.compress_size)
            if reason:
                self.refused.append(Skipped(name, reason))
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
            with tarfile.open(self.path, "r:", encoding="utf-8", errors="surrogateescape") as tar:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # else the tar remembers each
                    reason = _leads_out(member.name)
                    if not reason and any(map(is_hidden, member.name.removeprefix("./").split("/"))):
                        reason = "is hidden"
                    elif member.issym() or member.islnk():
                        reason = "is a link"
                    elif member.issparse() or not (member.isfile() or member.isdir()):
                        reason = "is no ordinary file"
                    reason = reason or too_large(member.size, member.size)
                    if reason and member.isdir():
                        continue
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
    head = _first_bytes(path)
    if head[257:262] == b"ustar":
        return Tar(path)
    if head.startswith(b"PK\3\4") and path.suffix.lower() not in (".npz", ".parquet"):
        raise SparringError(f"{path} is no whole zip file: it lacks its end. Was the download complete?")
    return Folder(path)


def _refused(name: str, info: zipfile.ZipInfo) -> str | None:
    """Return why a member of a zip is not read, whatever its size."""
    if any(map(is_hidden, name.split("/"))):
        return "is hidden"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if info.flag_bits & 1:
        return "is encrypted: unpack the archive with its password and name the folder"
    if info.compress_type not in READ_METHODS:
        method = METHODS.get(info.compress_type, f"method {info.compress_type}")
        return f"is packed by {method}: unpack the archive (7z x ARCHIVE) and name the folder"
    return None


def _leads_out(name: str) -> str | None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    absolute = name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name)
    return "leads out of the archive" if absolute or ".." in parts else None


def _first_bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(512)
    except OSError:
        return b""


def _file_key(path: Path) -> str:
    status = path.stat()
    text = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()

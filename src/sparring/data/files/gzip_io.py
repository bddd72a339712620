"""Gzip, bzip2 and xz: tar files inside them, single gzip files, and limits on what they unpack to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sparring.data.files.archive import bomb
from sparring.engine.atomic_io import explain_os_errors
from sparring.engine.errors import SparringError

OPENERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open
}  # fmt: skip
"""First bytes -> what unpacks the file."""
ERRORS = OSError, EOFError, zlib.error, lzma.LZMAError


def is_packed_tar(path: Path) -> bool:
    """Return True for a tar inside gzip, bzip2 or xz."""
    if path.is_dir() or (opener := _opener(path)) is None:
        return False
    try:
        with opener(path) as file:
            return bool(file.read(512)[257:262] == b"ustar")
    except ERRORS:
        return False


def _opener(path: Path) -> Callable[[Path], Any] | None:
    """Return what unpacks a file, by its first bytes."""
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError:
        return None
    return next((opener for magic, opener in OPENERS.items() if head.startswith(magic)), None)


def unpacked(path: Path, target: Path) -> Path:
    """Write the tar inside the packed file at `path` to `target`; raises on a decompression bomb or a full disk."""
    size, done = path.stat().st_size, 0
    opener = _opener(path) or gzip.open
    room = shutil.disk_usage(target.parent).free * 9 // 10
    with _explaining(str(path)), opener(path) as source, explain_os_errors(target), open(target, "wb") as out:
        while True:
            with _explaining(str(path)):
                block = source.read(1 << 22)
            if not block:
                return target
            done += len(block)
            if reason := bomb(done, size):
                raise SparringError(f"{path} {reason}")
            if done > room:
                raise SparringError(f"{path} does not fit unpacked on the disk of {target.parent}: make room there")
            out.write(block)


@contextmanager
def _explaining(name: str) -> Iterator[None]:
    try:
        yield
    except ERRORS as error:
        raise SparringError(f"{name} is damaged: {error}") from error


def read_gzip(content: bytes, name: str, limit: int, *, whole: bool = True) -> bytes:
    """Return at most `limit` bytes out of gzip.

    Raises SparringError where it is damaged, or, if `whole`, where there are more.
    """
    with _explaining(name), gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        data = file.read(limit + whole)
    if len(data) > limit:
        raise SparringError(f"{name} unpacks to more than the {limit:,} bytes that its header announces")
    return data


def open_gzip(stream: IO[bytes], name: str, packed: int) -> IO[bytes]:
    """Return the content of a gzip `stream` of `packed` bytes; reading raises SparringError where it is damaged."""
    return io.BufferedReader(_Unpacking(stream, name, packed))


class _Unpacking(io.RawIOBase):
    def __init__(self, stream: IO[bytes], name: str, packed: int) -> None:
        self._stream, self._name, self._packed, self._done = stream, name, packed, 0
        self._file = gzip.GzipFile(fileobj=stream)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _explaining(self._name):
            count = self._file.readinto(buffer)
        self._done += count
        if reason := bomb(self._done, self._packed):
            raise SparringError(f"{self._name} {reason}")
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()

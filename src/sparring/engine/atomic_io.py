"""Writing that a kill cannot tear: to a temporary name, fsynced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparring.engine.errors import SparringError


@contextmanager
def atomic_replace(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of `path` when all went well: of a file, or of a folder still to be made.

    Raises SparringError, naming the path, where the disk is full or the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove(temporary)  # of a killed process that had our number
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            _sync_entry(path.parent)
    finally:
        remove(temporary)


@contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about `path` into a message that names it and the way out."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            free = _free(path)
            raise SparringError(
                f"the disk is full: {path} could not be written ({free / 1e6:,.0f} MB free). "
                "What was saved before is whole; make room and give the same command again"
            ) from error
        reason = error.strerror or str(error)
        raise SparringError(f"{path} cannot be written: {reason}. Choose another place") from error


def write(path: Path, content: bytes | str) -> None:
    """Write a whole file at once."""
    with atomic_replace(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there and may be removed."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def remove_temporaries(folder: Path, name: str = "*") -> None:
    """Remove the temporary files that killed processes left in `folder` when they wrote `name` (a pattern)."""
    for left in folder.glob(f".{name}.*.tmp"):
        remove(left)


def _sync(path: Path) -> None:
    for part in [path, *path.rglob("*")]:
        if part.is_dir():
            _sync_entry(part)
        else:
            with open(part, "rb+") as handle:
                os.fsync(handle.fileno())


def _sync_entry(folder: Path) -> None:
    """Make names in a folder durable; Windows has no such call."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _free(path: Path) -> int:
    while not os.path.exists(path) and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free

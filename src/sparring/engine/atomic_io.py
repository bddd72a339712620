"""Atomic writes: write to a temporary name, fsync, rename. A kill at any instant leaves the old or the new file."""

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
    """Yield a temporary path that replaces `path` (a file, or a folder that does not exist yet) on success.

    Raises SparringError if the disk is full or the path is not writable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove(temporary)  # left by a killed process with the same pid
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            _sync_entry(path.parent)
    finally:
        remove(temporary)


@contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Convert an OSError into a SparringError that names `path`, the reason and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            free = _free(path)
            raise SparringError(
                f"the disk is full: {path} could not be written ({free / 1e6:,.0f} MB free). "
                "Earlier files are intact; free some space and repeat the command"
            ) from error
        reason = error.strerror or str(error)
        raise SparringError(f"{path} cannot be written: {reason}. Choose another path") from error


def write(path: Path, content: bytes | str) -> None:
    """Write a file atomically; text is encoded as UTF-8."""
    with atomic_replace(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def remove(path: Path) -> None:
    """Remove a file or folder; ignore errors."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def remove_temporaries(folder: Path, name: str = "*") -> None:
    """Remove the temporary files of interrupted writes of `name`, a glob pattern, in `folder`."""
    for temporary in folder.glob(f".{name}.*.tmp"):
        remove(temporary)


def _sync(path: Path) -> None:
    for entry in [path, *path.rglob("*")]:
        if entry.is_dir():
            _sync_entry(entry)
        else:
            with open(entry, "rb+") as handle:
                os.fsync(handle.fileno())


def _sync_entry(folder: Path) -> None:
    """Fsync a folder, so that renames in it are durable. Windows has no such call."""
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

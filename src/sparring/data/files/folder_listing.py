"""All files below a folder. Links to folders are followed, but for those that lead back to a folder above."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

CACHE_TAG = "CACHEDIR.TAG"
"""File that marks a folder as a cache (https://bford.info/cachedir)."""
MOST_WAYS = 64
"""Ways to one folder, by links, that are followed."""
HIDDEN = frozenset(["__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini"])
"""Names, beside those that begin with a dot, of what systems put beside files."""
ICLOUD = ".icloud"
"""End of the names of hidden files that stand for photos which iCloud keeps elsewhere: they are missed."""

Identity: TypeAlias = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True)
class Skipped:
    """A file that is not used, and why."""

    name: str
    reason: str


class Listing(NamedTuple):
    """Files below a folder: name -> size and time; what may not be read; and remarks."""

    files: dict[str, tuple[int, int]]
    refused: list[Skipped]
    notes: list[str]


def is_hidden(part: str) -> bool:
    """Return True for a name, of a file or a folder, that is not meant to be seen."""
    return (part.startswith(".") and not part.endswith(ICLOUD)) or part in HIDDEN


def list_folder(base: Path) -> Listing:
    """Return all files below a folder; each folder once for each way that leads to it, but never inside itself."""
    walk = _Walk(base)
    folders: list[tuple[str, tuple[Identity, ...]]] = [("", ())]
    while folders:
        prefix, above = folders.pop()
        folders += reversed(walk.visit(prefix, above))
    notes = []
    if walk.again:
        first, known = next(iter(walk.again.items()))
        more = f" and {len(walk.again) - 1:,} more" * (len(walk.again) > 1)
        notes.append(f"{first} leads to the same folder as {known}{more}: its files are found under both names")
    return Listing(walk.files, walk.refused, notes)


@dataclass
class _Walk:
    """What was seen on the way."""

    base: Path
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    refused: list[Skipped] = field(default_factory=list)
    again: dict[str, str] = field(default_factory=dict)
    """Folder -> the first name of the same folder."""
    _ways: Counter[Identity] = field(default_factory=Counter)
    _first: dict[Identity, str] = field(default_factory=dict)

    def visit(self, prefix: str, above: tuple[Identity, ...]) -> list[tuple[str, tuple[Identity, ...]]]:
        """Note the files of one folder; return the folders in it, each with all that it lies in."""
        try:
            status = os.stat(self.base / prefix)
            identity = status.st_dev, status.st_ino
            if identity in above:  # a link that leads back
                return []
            if self._ways[identity] == MOST_WAYS:
                self.refused.append(Skipped(prefix, f"is linked to more than {MOST_WAYS} times"))
                return []
            with os.scandir(self.base / prefix) as entries:
                inside = sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            self.refused.append(Skipped(prefix or ".", f"cannot be read: {error.strerror}"))
            return []
        if prefix and any(entry.name == CACHE_TAG for entry in inside):
            self.refused.append(Skipped(prefix, f"is a cache ({CACHE_TAG})"))
            return []
        self._ways[identity] += 1
        if (first := self._first.setdefault(identity, prefix)) != prefix:
            self.again[prefix] = first
        return [(f"{prefix}{entry.name}/", (*above, identity)) for entry in inside if self._is_folder(prefix, entry)]

    def _is_folder(self, prefix: str, entry: os.DirEntry[str]) -> bool:
        """Return True for a folder to visit; note what is none."""
        name = prefix + entry.name
        try:
            if is_hidden(entry.name):
                self.refused.append(Skipped(name + "/" * entry.is_dir(), "is hidden"))
                return False
            if entry.is_dir():
                return True
            status = entry.stat()
            if stat.S_ISREG(status.st_mode):
                self.files[name] = status.st_size, status.st_mtime_ns
            else:
                self.refused.append(Skipped(name, "is no ordinary file"))
        except OSError as error:
            self.refused.append(Skipped(name, f"cannot be read: {error.strerror}"))
        return False

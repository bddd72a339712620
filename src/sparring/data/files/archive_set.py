"""Containers of containers: a folder of archives, and a part of a source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from sparring.data.files.archive import Container, Folder, Skipped, natural, suffix
from sparring.data.files.packed import Tar, Zip, open_container
from sparring.engine.errors import SparringError, UsageError

ARCHIVES = frozenset([".zip", ".tar"])
"""Suffixes of archives that are read in place."""
BESIDE = frozenset([".csv", ".tsv", ".json", ".jsonl", ".txt", ".md", ".pdf", ".html", ""])
"""Suffixes of files that may lie beside the archives of a set."""


class ArchiveSet:
    """Several archives, and the files beside them, as one container: `train.zip` holds the folder `train`."""

    def __init__(self, path: Path, parts: Mapping[str, Container]) -> None:
        self.path, self._parts = path, parts
        archives = {folder: part for folder, part in parts.items() if folder}
        beside = [name for name in parts[""].names if suffix(name) not in ARCHIVES] if "" in parts else []
        self._places = {name: ("", name) for name in beside}
        for folder, part in archives.items():
            self._places |= {f"{folder}/{name}": (folder, name) for name in part.names}
        self.names = sorted(self._places, key=natural)
        self.notes = [note for part in parts.values() for note in getattr(part, "notes", [])]
        self.refused = [
            Skipped(f"{folder}/{left.name}" if folder else left.name, left.reason)
            for folder, part in parts.items()
            for left in part.refused
        ]

    def _find(self, name: str) -> tuple[Container, str]:
        folder, inner = self._places[name]
        return self._parts[folder], inner

    def read(self, name: str) -> bytes:
        """Return the bytes of one file."""
        part, inner = self._find(name)
        return part.read(inner)

    def open(self, name: str) -> IO[bytes]:
        """Return a file as a stream."""
        part, inner = self._find(name)
        return part.open(inner)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        part, inner = self._find(name)
        return part.size(inner)

    def place(self, name: str) -> Path | None:
        """Where a file lies, if it lies beside the archives."""
        part, inner = self._find(name)
        return part.place(inner)

    def key(self) -> str:
        """Return the digest of the folder that holds the archives."""
        return Folder(self.path).key()

    def ticket(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the tickets of the parts, for the names in each."""
        inner: dict[str, list[str]] = {folder: [] for folder in self._parts}
        for name in names:
            folder, own = self._places[name]
            inner[folder].append(own)
        tickets = {folder: self._parts[folder].ticket(own) for folder, own in inner.items()}
        return {"kind": "archive_set", "path": str(self.path), "parts": tickets}


class ContainerPart:
    """Those files of a container that have a word in their path."""

    def __init__(self, whole: Container, word: str) -> None:
        self.path, self._whole, self.notes = whole.path, whole, getattr(whole, "notes", [])
        self.names = _with_word(whole.names, word)
        refused = set(_with_word([left.name for left in whole.refused], word))
        self.refused = [left for left in whole.refused if left.name in refused]
        if not self.names:
            raise UsageError(f"--part {word}: no file of {whole.path} has this in its path, such as {whole.names[:1]}")
        self.read, self.open, self.size, self.place = whole.read, whole.open, whole.size, whole.place
        self.key, self.ticket = whole.key, whole.ticket


def _with_word(names: list[str], word: str) -> list[str]:
    """Return the names that hold a word, as a word of its own or else anywhere."""
    wanted = f" {' '.join(_words(word))} "
    whole = [name for name in names if wanted in f" {' '.join(_words(name))} "]
    return whole or [name for name in names if word.casefold() in name.casefold()]


def _words(text: str) -> list[str]:
    return [part for part in re.split(r"[\W_]+", text.casefold()) if part]


def open_archives(container: Container) -> Container:
    """Return a folder of archives, with little else in it, as one container; any other container as it is."""
    if not isinstance(container, Folder) or not container.path.is_dir():
        return container
    names = container.names
    archives = [name for name in names if suffix(name) in ARCHIVES]
    if not archives or len(archives) * 2 < len(names) or not all(suffix(n) in BESIDE | ARCHIVES for n in names):
        return container
    parts: dict[str, Container] = {"": container}
    for name in archives:
        place = container.place(name)
        assert place is not None
        try:
            part = open_container(place)
        except SparringError as error:
            container.refused.append(Skipped(name, str(error).removeprefix(f"{place} ")))
            continue
        if isinstance(part, Zip | Tar):
            parts[name.rpartition(".")[0]] = part
        else:
            container.refused.append(Skipped(name, "is no readable archive"))
    return ArchiveSet(container.path, parts) if len(parts) > 1 else container

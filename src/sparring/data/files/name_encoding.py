"""Names of files whose encoding is not known: in a zip without the flag of UTF-8, in a tar, on the disk.

Such a name is a `str` whose bytes that are no UTF-8 are surrogates (PEP 383), until `decoded` has read it.
"""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from sparring.data.files.archive import Container, Skipped, natural
from sparring.engine.errors import UsageError

UTF8_FLAG = 0x800
SURROGATE = re.compile("[\udc80-\udcff]")
WORD = re.compile(r"[^\W\d_]+")
KANA = re.compile("[\u3040-\u30ff]")
MOST_ACCENTS = 2
"""Letters with accents in a word of Latin letters; in longer words up to half of all."""
UPPER_CASE = 0.9
"""Weight of Cyrillic words in capitals: one code page's small letters are another's capitals."""


def zip_names(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the names of members with `/` between their parts; bytes that are no UTF-8 are surrogates."""
    names = []
    for info in infos:
        if info.flag_bits & UTF8_FLAG or info.orig_filename.isascii():
            names.append(info.filename)
        else:
            names.append(info.orig_filename.encode("cp437").decode("utf-8", "surrogateescape").partition("\0")[0])
    return names if any(map(SURROGATE.search, names)) else with_slashes(names)


def with_slashes(names: Sequence[str]) -> list[str]:
    r"""Return the names with `\` as `/` where none has a `/`. Only for decoded names: `\` may be half of a letter."""
    separates = any("\\" in name for name in names) and not any("/" in name.rstrip("/") for name in names)
    return [name.replace("\\", "/") if separates else name for name in names]


def decoded(container: Container, encoding: str | None) -> Container:
    """Return a container whose names are text: those that are no UTF-8 are read by `encoding`, or by a guess.

    Raises UsageError for an unknown encoding, one that does not fit, and one that is not needed.
    """
    refused = [left.name for left in container.refused]
    unknown = [name for name in (*container.names, *refused) if SURROGATE.search(name)]
    if not unknown:
        if encoding is not None:
            raise UsageError(f"--name-encoding {encoding}: all names in {container.path} are UTF-8: leave it out")
        return container
    contents = [_bytes(name) for name in unknown]
    if encoding is not None:
        _check(contents, encoding)
    used = encoding or guess(contents)
    every = [_decode(name, used) for name in container.names]
    example = next((new for old, new in zip(container.names, every, strict=True) if old != new), unknown[0])
    note = f"names that are no UTF-8 were read as {used} (as {example}): --name-encoding takes another"
    names: dict[str, str] = {}
    for old, new in zip(container.names, with_slashes(every), strict=True):
        if not new.endswith("/"):
            names[old if new in names else new] = old
    return Renamed(container, names, used, [note] if encoding is None else [])


class Renamed:
    """A container whose files have other names: `inner` maps a new name to that in the container."""

    def __init__(self, whole: Container, inner: Mapping[str, str], encoding: str, notes: Sequence[str]) -> None:
        self.path, self._whole, self._inner, self._encoding = whole.path, whole, inner, encoding
        self.names = sorted(inner, key=natural)
        self.notes = [*getattr(whole, "notes", []), *notes]

    @property
    def refused(self) -> list[Skipped]:
        """What may not be read, and why."""
        return [Skipped(_decode(left.name, self._encoding), left.reason) for left in self._whole.refused]

    def read(self, name: str) -> bytes:
        """Return the bytes of one file."""
        return self._whole.read(self._inner[name])

    def open(self, name: str) -> IO[bytes]:
        """Return a file as a stream."""
        return self._whole.open(self._inner[name])

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._whole.size(self._inner[name])

    def place(self, name: str) -> Path | None:
        """Where a file lies, if it lies on the disk."""
        return self._whole.place(self._inner[name])

    def key(self) -> str:
        """Return the digest of the container."""
        return self._whole.key()

    def ticket(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the ticket of the container, and the names in it."""
        inner = {name: self._inner[name] for name in names}
        whole = self._whole.ticket(inner.values())
        return {"kind": "renamed", "path": str(self.path), "whole": whole, "names": inner, "encoding": self._encoding}


def guess(names: Sequence[bytes]) -> str:
    """Return the encoding by which the most of the letters in all names are such as names have."""
    best, most = "cp437", -1.0
    for encoding in CANDIDATES:
        try:
            text = " ".join(name.decode(encoding) for name in names)
        except UnicodeDecodeError:
            continue
        if (score := _plausible(text, encoding)) > most:
            best, most = encoding, score
    return best


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _decode(name: str, encoding: str) -> str:
    """Return a name as the encoding has it; one that is UTF-8 as it is."""
    beyond = {letter for letter in name if not letter.isascii()}
    by_chance = len(beyond) == 1 and not any(is_common(*beyond) for is_common in CANDIDATES.values())
    if not SURROGATE.search(name) and not by_chance:  # two bytes may be UTF-8 by chance
        return name
    try:
        return _bytes(name).decode(encoding)
    except UnicodeDecodeError:
        return name


def _check(names: Sequence[bytes], encoding: str) -> None:
    for name in names:
        try:
            name.decode(encoding)
        except LookupError as error:
            raise UsageError(
                f"--name-encoding {encoding}: there is no such encoding, as gbk, cp932, cp1252 or euc_kr"
            ) from error
        except UnicodeDecodeError as error:
            raise UsageError(f"--name-encoding {encoding}: the name {name!r} is none in it: {error.reason}") from error


def _plausible(text: str, encoding: str) -> float:
    """Return the proportion of letters beyond ASCII that are such as names of this encoding's script have."""
    beyond = sum(not letter.isascii() for letter in text)
    return sum(CANDIDATES[encoding](word) for word in WORD.findall(text)) / max(beyond, 1)


def _latin(word: str) -> float:
    accents = [letter for letter in word if not letter.isascii()]
    few = len(accents) <= max(MOST_ACCENTS, len(word) / 2)
    return sum("\u00c0" <= letter <= "\u024f" for letter in accents) if few else 0


def _cyrillic(word: str) -> float:
    if not re.fullmatch("[\u0410-\u044f\u0401\u0451]+", word):
        return 0
    return len(word) if word[1:].islower() or word.islower() else UPPER_CASE * len(word) * word.isupper()


def _ideographs(codec: str, first: int, last: int, *, kana: bool = False) -> Callable[[str], float]:
    """Return a function that counts the characters of the rows `first` to `last` of a codec: those in common use."""

    def is_common(letter: str) -> bool:
        if KANA.match(letter):
            return kana
        content = letter.encode(codec, "ignore")
        return len(content) == 2 and first <= content[0] <= last

    return lambda word: sum(map(is_common, unicodedata.normalize("NFC", word)))


_JAPANESE = _ideographs("euc_jp", 0xB0, 0xCF, kana=True)
CANDIDATES: Mapping[str, Callable[[str], float]] = {
    "gbk": _ideographs("gb2312", 0xB0, 0xD7), "cp932": _JAPANESE, "euc_jp": _JAPANESE,
    "big5": _ideographs("big5", 0xA4, 0xC6), "cp1252": _latin, "cp1251": _cyrillic, "koi8_r": _cyrillic,
    "cp866": _cyrillic, "cp437": _latin,
}  # fmt: skip
"""Encoding -> how many letters of a word are such as names have. EUC-KR is missing: GBK fits the same bytes."""

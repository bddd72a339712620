"""Names in a zip file, whose encoding is not stated where their flag of UTF-8 is not set."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Sequence

UTF8_FLAG = 0x800
CANDIDATES = ("gbk", "cp932", "cp1252", "cp437")
"""Encodings that are tried where names are no UTF-8."""
CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def member_names(infos: Sequence[zipfile.ZipInfo]) -> tuple[list[str], list[str]]:
    """Return the names of members with `/` between their parts, and a note where their encoding was a guess.

    A backslash separates where no name has a `/`, and only once the name is decoded: it may be half of a letter.
    """
    unknown = [info for info in infos if not info.flag_bits & UTF8_FLAG and not info.orig_filename.isascii()]
    raw = [_bytes(info.orig_filename) for info in unknown]
    names, notes = {id(info): info.filename for info in infos}, list[str]()
    if unknown and all(raw):
        encoding = _guess(raw)
        if encoding != "cp437":
            names |= {id(info): _decoded(content, encoding) for info, content in zip(unknown, raw, strict=True)}
            example = next(iter(names[id(info)] for info in unknown))
            notes = [f"names in the zip have no stated encoding: they were read as {encoding} (as {example})"]
            notes = [] if encoding == "utf-8" else notes
    every = [names[id(info)] for info in infos]
    separates = any("\\" in name for name in every) and not any("/" in name.rstrip("/") for name in every)
    return [name.replace("\\", "/") if separates else name for name in every], notes


def _bytes(name: str) -> bytes:
    """Return the bytes that zipfile read as code page 437; none where it did not."""
    try:
        return name.encode("cp437")
    except UnicodeEncodeError:
        return b""


def _decoded(content: bytes, encoding: str) -> str:
    return content.decode(encoding).partition("\0")[0]


def _guess(names: Sequence[bytes]) -> str:
    """Return the encoding that makes the most of all names: UTF-8 if it decodes, else by the letters that come out."""
    best, most = "cp437", -1.0
    for encoding in ("utf-8", *CANDIDATES):
        try:
            text = "".join(name.decode(encoding) for name in names)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8":
            return encoding
        if (score := _plausible(text)) > most:
            best, most = encoding, score
    return best


def _plausible(text: str) -> float:
    """Return how many of the letters beyond ASCII are such as names have: of words, and of one script."""
    letters = [letter for letter in text if not letter.isascii()]
    common = sum(_is_common(letter) for letter in letters)
    return common / max(len(letters), 1)


def _is_common(letter: str) -> bool:
    if CJK.match(letter):
        return "\u3040" <= letter <= "\u30ff" or _is_level_one(letter)
    return unicodedata.category(letter) in ("Ll", "Lu") and "\u00c0" <= letter <= "\u024f"


def _is_level_one(letter: str) -> bool:
    """Return True for a character of the first level of GB 2312 or JIS X 0208: those in common use."""
    for encoding, first, last in (("gb2312", 0xB0, 0xD7), ("euc_jp", 0xB0, 0xCF)):
        try:
            content = letter.encode(encoding)
        except UnicodeEncodeError:
            continue
        if first <= content[0] <= last:
            return True
    return False

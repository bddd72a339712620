"""Folders that number or sort examples: shards, dates, prefixes of names. They are no classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sparring.data.roles.words import DATE, MONTH_OR_DAY, SHARD

NEARLY_EQUAL = 0.1
"""Largest difference between shards, as a fraction; the last may be smaller."""
HEX = re.compile(r"[0-9a-f]+", re.I)
LEAST_DIGITS = 3
"""Digits from which folders of one width and one size are shards; with fewer they may be the classes of digits."""
LONG_HASH = 8

Inside = Sequence[tuple[tuple[str, ...], str]]
"""Folders below and stem of each example."""


def shard_evidence(folders: Mapping[str, Inside], *, after_dates: bool = False) -> str:
    """Return why folders are no classes, by their names and what is in them; nothing where they may be classes."""
    names = list(folders)
    if len(names) < 2:
        return "dates" if after_dates and all(map(MONTH_OR_DAY.fullmatch, names)) else ""
    if all(map(DATE.fullmatch, names)) or (after_dates and all(map(MONTH_OR_DAY.fullmatch, names))):
        return "dates"
    if all(map(SHARD.fullmatch, names)) and len({re.sub(r"\d+$", "", name).lower() for name in names}) == 1:
        return "numbered parts"
    if all(name.isdigit() for name in names):
        return _numbered(folders)
    return _prefixes(folders)


def _numbered(folders: Mapping[str, Inside]) -> str:
    """Return why folders of digits are shards: file numbers run on through them, or all are of one width and size."""
    names = sorted(folders)
    if len({len(name) for name in names}) > 1 or len(names[0]) < 2:
        return ""
    ranges = [_range(folders[name]) for name in names]
    if all(ranges) and all(a[1] < b[0] for a, b in zip(ranges, ranges[1:], strict=False) if a and b):
        return "the numbers of the files run on from one to the next"
    sizes = [len(folders[name]) for name in names]
    alike = max(sizes[:-1]) - min(sizes[:-1]) <= NEARLY_EQUAL * max(sizes) and sizes[-1] <= max(sizes)
    stems = [stem for inside in folders.values() for _, stem in inside]
    deep = any(below for inside in folders.values() for below, _ in inside)
    if alike and len(names[0]) >= LEAST_DIGITS and len(set(stems)) == len(stems) and not deep:
        return "numbers of one width, with files of one count"
    return ""


def _range(inside: Inside) -> tuple[int, int] | None:
    """Return the lowest and highest number at the end of the stems; None where some have none."""
    numbers = [re.search(r"\d+$", stem) for _, stem in inside]
    if any(number is None for number in numbers):
        return None
    values = [int(number[0]) for number in numbers if number]
    return min(values), max(values)


def _prefixes(folders: Mapping[str, Inside]) -> str:
    """Return why short names are the beginnings of what is in them: of hashes, or of the names of folders below."""
    if any(len(name) > LEAST_DIGITS for name in folders):
        return ""
    inside = [
        (name, below[0] if below else stem, bool(below)) for name, some in folders.items() for below, stem in some
    ]
    if all(first.lower().startswith(name.lower()) and len(first) > len(name) for name, first, _ in inside):
        plain = [(first, deep) for _, first, deep in inside]
        if all(deep or _is_hash(first) for first, deep in plain):
            return "the first letters of the names in them"
    mixed = any(c.isdigit() for name in folders for c in name) and any(c.isalpha() for name in folders for c in name)
    if mixed and len(folders) >= 16 and all(HEX.fullmatch(name) and len(name) >= 2 for name in folders):
        return "beginnings of hashes"
    return ""


def _is_hash(stem: str) -> bool:
    return len(stem) >= LONG_HASH and HEX.fullmatch(stem.replace("-", "")) is not None

"""Keys of tables: the pattern of those that were read, and new ones by this pattern."""

from __future__ import annotations

import string
from collections.abc import Sequence

CLASSES = {"#": string.digits, "@": string.ascii_uppercase, "&": string.ascii_lowercase, "%": "0123456789abcdef"}
"""Mark in a pattern -> characters that it stands for."""
ANY = "".join((string.digits, string.ascii_uppercase))
STEP = 0x9E3779B1
"""Prime step through all keys of a pattern, so that they do not look numbered."""


def key_pattern(cells: Sequence[str]) -> str:
    """Return the pattern of keys: what all have in common, and classes of characters elsewhere.

    Keys of several lengths are described by the commonest one.
    """
    lengths = [len(cell) for cell in cells]
    length = max(set(lengths), key=lambda n: (lengths.count(n), n))
    columns = zip(*(cell for cell in cells if len(cell) == length), strict=True)
    return "".join(_mark(set(column)) for column in columns)


def _mark(characters: set[str]) -> str:
    """Return the mark of one place of a pattern."""
    if len(characters) == 1:
        (character,) = characters
        if character.isdigit():
            return "#"
        return f"\\{character}" if character in {*CLASSES, "*", "\\"} else character
    for mark, members in CLASSES.items():
        if characters <= set(members):
            return mark
    return "*"


def make_keys(pattern: str, count: int) -> list[str]:
    """Return `count` different keys of a pattern; numbers from 1 where it is empty.

    Where a pattern has fewer keys, numbers are appended.
    """
    places = _places(pattern)
    total = 1
    for members in places:
        total *= len(members)
    if not pattern:
        return [str(k + 1) for k in range(count)]
    keys = []
    digits_alone = all(len(members) in (1, 10) for members in places)
    for k in range(count):
        code = (k if digits_alone or total % STEP == 0 else k * STEP) % total
        key = ""
        for members in reversed(places):
            code, place = divmod(code, len(members))
            key = members[place] + key
        keys.append(key if k < total else f"{key}-{k // total}")
    return keys


def _places(pattern: str) -> list[str]:
    """Return the characters of each place."""
    places, k = list[str](), 0
    while k < len(pattern):
        if pattern[k] == "\\" and k + 1 < len(pattern):
            k += 1
            places.append(pattern[k])
        else:
            places.append({**CLASSES, "*": ANY}.get(pattern[k], pattern[k]))
        k += 1
    return places

"""Numbers as people write them: decimal commas, thousands, currencies, percent."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sparring.data.tables.cells import to_number

NEARLY_ALL = 0.95
"""Fraction of the words of a column that have to be numbers in one form."""
CURRENCY = r"(?:[$€£¥₹]|USD|EUR|GBP|CHF|Rs\.?|kr\.?)"
DRESSED = re.compile(rf"(?P<minus>-?)\s*{CURRENCY}?\s*(?P<sign>[+-]?)(?P<digits>\d[\d.,'’\s]*?)\s*(?:{CURRENCY}|%)?")
"""A number with what may stand around it."""
POINT = re.compile(r"\d+(\.\d+)?|\d{1,3}([,'’\s]\d{3})+(\.\d+)?")
COMMA = re.compile(r"\d+(,\d+)?|\d{1,3}([.'’\s]\d{3})+(,\d+)?")
FORMS = {".": POINT, ",": COMMA}
"""Decimal mark -> the digits that it fits; the other mark, a blank or an apostrophe stands between thousands."""


def parse(cell: str, mark: str) -> float | None:
    """Return the number in a cell whose decimal mark this is, without currency and percent; None where there is none.

    What fits no form is read as a plain number: `3.2` among decimal commas, `1e-5`.
    """
    bare = cell.strip()
    negative = bare.startswith("(") and bare.endswith(")")  # as in accounts
    match = DRESSED.fullmatch(bare[1:-1] if negative else bare)
    if match is None or not FORMS[mark].fullmatch(match["digits"]):
        return to_number(cell)
    digits = re.sub(r"['’\s]" + ("|," if mark == "." else r"|\."), "", match["digits"]).replace(",", ".")
    number = to_number(match["sign"] + digits)
    return None if number is None else -number if negative != bool(match["minus"]) else number


def decimal_mark(words: Iterable[str], default: str) -> str | None:
    """Return the decimal mark by which nearly all words are numbers, `default` if both do; None if neither does."""
    words = list(words)
    counts = {mark: sum(_fits(word, mark) for word in words) for mark in FORMS}
    best = max(counts, key=lambda mark: (counts[mark], mark == default))
    return best if words and counts[best] >= NEARLY_ALL * len(words) else None


def _fits(word: str, mark: str) -> bool:
    bare = word.strip()
    match = DRESSED.fullmatch(bare[1:-1] if bare.startswith("(") and bare.endswith(")") else bare)
    return match is not None and FORMS[mark].fullmatch(match["digits"]) is not None

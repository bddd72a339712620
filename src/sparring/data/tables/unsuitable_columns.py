"""Columns of a table that a model should not learn from: row numbers, identifiers, dates and free text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sparring.data.tables.cells import to_number
from sparring.data.time_series import time_parser

IDENTIFIER = re.compile(r"(unnamed: ?\d+|index|idx|id|row|uuid|guid|.*[_ ](id|index|uuid)|[a-zA-Z]+I[dD])?", re.ASCII)
"""Names of columns that number the rows."""
WORDS_OF_TEXT = 4
"""Words of a cell, on average, from which a column holds free text."""
EACH_ROW = 0.5
"""Different words, as a part of the rows, from which words are taken for identifiers."""


def remark_on(name: str, words: Sequence[str], distinct: int, rows: int, *, numeric: bool, counts: bool) -> str | None:
    """Return what is wrong with a column to learn from, in words that follow its name; None where nothing is.

    `words` are some of its different values, `distinct` is their number (or a lower bound), `counts` is True where each
    row holds one more than the row before.
    """
    named = IDENTIFIER.fullmatch(name) or IDENTIFIER.fullmatch(name.lower())
    if counts or (named and numeric and distinct > min(EACH_ROW * rows, 200)):
        return "numbers the rows: what is learnt from it is their order"
    if numeric or not words:
        return None
    others = [word for word in words if to_number(word) is None]
    if others and len(others) < len(words) / 2:
        return f"holds numbers and words such as {others[0]!r}, and is read as words"
    parse = time_parser(words)
    if parse is not None and others:
        return "holds dates, which are read as mere words"
    if sum(len(word.split()) for word in words) >= WORDS_OF_TEXT * len(words):
        return "holds free text, which is read as mere words"
    if distinct > EACH_ROW * rows or (named and distinct > 1):
        return "holds another word in nearly every row, as identifiers do"
    return None

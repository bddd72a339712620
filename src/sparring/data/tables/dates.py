"""Dates in the cells of a table: which formats a column holds, and days since an epoch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from sparring.engine.table_form import EPOCH

FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d %b %Y", "%d %B %Y",
    "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%Y.%m.%d",
)  # fmt: skip
"""Formats of days; a time of day may follow in any of TIMES."""
TIMES = ("", " %H:%M:%S", "T%H:%M:%S", " %H:%M", "T%H:%M", "T%H:%M:%SZ", " %H:%M:%S.%f", "T%H:%M:%S.%f")
MAX_TRIED = 2000
"""Different cells from which the formats of a column are chosen."""
LIKELY = re.compile(r"(?=.*\d)[\w .,:/+-]{6,32}")
ORIGIN = datetime.fromisoformat(EPOCH)


def date_formats(counts: Mapping[str, int], needed: float) -> list[str]:
    """Return the formats that read at least `needed` of the cells, the commonest first; none where these are no dates.

    `counts` maps cells to their numbers of rows. Of two formats that read the same cells, day or month first, that
    which reads more counts; a tie is read with the month first.
    """
    cells = list(counts)[:: max(len(counts) // MAX_TRIED, 1)]
    if not cells or sum(LIKELY.fullmatch(cell) is not None for cell in cells) < needed * len(cells):
        return []
    left, formats = dict.fromkeys(cells), list[str]()
    while left:
        readable = {form: [c for c in left if _days(c, form) is not None] for form in _candidates(next(iter(left)))}
        best = max(readable, key=lambda form: len(readable[form]), default=None)
        if best is None or not readable[best]:
            left.pop(next(iter(left)))
            continue
        formats.append(best)
        for cell in readable[best]:
            del left[cell]
    total = sum(counts[cell] for cell in cells)
    rows = dict.fromkeys(formats, 0)
    for cell in cells:
        if form := next((form for form in formats if _days(cell, form) is not None), None):
            rows[form] += counts[cell]
    return sorted(formats, key=lambda form: -rows[form]) if sum(rows.values()) >= needed * total else []


def _candidates(cell: str) -> list[str]:
    """Return the formats that read a cell."""
    time = ":" in cell
    return [f + t for f in FORMATS for t in TIMES if bool(t) == time and _days(cell, f + t) is not None]


@lru_cache(maxsize=1 << 16)
def _days(cell: str, form: str) -> float | None:
    try:
        time = datetime.strptime(cell, form)
    except ValueError:
        return None
    return (time - ORIGIN) / timedelta(days=1)


def to_days(cell: str, formats: list[str]) -> float | None:
    """Return the days since EPOCH of a cell, by the first format that reads it; None where none does."""
    return next((days for form in formats if (days := _days(cell, form)) is not None), None)


def from_days(days: float, form: str) -> str:
    """Return a date as text; seconds are rounded."""
    seconds = round(days * 86400)
    try:
        return (ORIGIN + timedelta(seconds=seconds)).strftime(form)
    except OverflowError:
        return ""

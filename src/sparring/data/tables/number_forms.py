"""Numbers as people write them: decimal commas, thousands, currencies, percent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from sparring.data.tables.cells import MISSING, is_void, to_number

NEARLY_ALL = 0.95
"""Fraction of the words of a column that have to be numbers in one form."""
CURRENCY = r"(?:[$€£¥₹]|USD|EUR|GBP|CHF|Rs\.?|kr\.?)"
DRESSED = re.compile(rf"(?P<minus>-?)\s*{CURRENCY}?\s*(?P<sign>[+-]?)(?P<digits>\d[\d.,'’\s]*?)\s*(?:{CURRENCY}|%)?")
"""A number with what may stand around it."""
POINT = re.compile(r"\d+(\.\d+)?|[1-9]\d{0,2}([,'’\s]\d{3})+(\.\d+)?")
COMMA = re.compile(r"\d+(,\d+)?|[1-9]\d{0,2}([.'’\s]\d{3})+(,\d+)?")
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


class NumberForm(NamedTuple):
    """How the numbers of a column are written."""

    mark: str
    """Decimal mark, a point or a comma."""
    example: str
    """Cell that is no plain number."""
    evidence: str
    """What shows it, for people; empty where no cell leaves a doubt."""


def number_form(cells: Iterable[str], default: str, *, commas: bool = False) -> NumberForm | None:
    """Return the form by which nearly all cells that are no plain numbers are numbers; None where there is none.

    A cell such as `5,178` fits both marks. Cells that fit one alone decide; else whole numbers beside, which three
    decimals would hardly leave; else `default` is the decimal mark. `commas` is True where other columns have decimal
    commas: the points of this one may then stand between thousands.
    """
    cells = [cell for cell in cells if cell not in MISSING and not is_void(cell)]
    words = [cell for cell in cells if to_number(cell) is None or (commas and "." in cell)]
    counts = {mark: sum(_fits(word, mark) for word in words) for mark in FORMS}
    if not words or max(counts.values()) < NEARLY_ALL * len(words):
        return None
    open_to_both = [word for word in words if is_ambiguous(word)]
    whole = next((cell for cell in cells if cell.isdecimal() and int(cell)), None)
    mark, evidence = default, f"no cell shows it, but {_name(default)} is usual here"
    if counts["."] != counts[","]:
        mark, other = sorted(FORMS, key=lambda mark: counts[mark], reverse=True)
        shown = next(word for word in words if _fits(word, mark) and not _fits(word, other))
        evidence = f"as {shown!r} shows"
    elif open_to_both and whole is not None:
        mark = "." if 2 * sum("," in word for word in open_to_both) >= len(open_to_both) else ","
        evidence = f"since whole numbers such as {whole!r} are among them"
    elif open_to_both and commas:
        mark, evidence = ",", "as in other columns"
    example = next(word for word in words if _fits(word, mark))
    if mark == "." and to_number(example) is not None:
        return None  # plain numbers
    return NumberForm(mark, example, evidence if open_to_both else "")


def shows_commas(columns: Iterable[Iterable[str]]) -> bool:
    """Return True where a column, given by its cells, has decimal commas without a doubt."""
    return any(
        (form := number_form(cells, ".")) is not None and form.mark == "," and not is_ambiguous(form.example)
        for cells in columns
    )


def is_ambiguous(cell: str) -> bool:
    """Return True for a cell that is a number by both decimal marks, and not the same: `5,178` or `1.234`."""
    return all(_fits(cell, mark) for mark in FORMS) and parse(cell, ".") != parse(cell, ",")


def describe_form(form: NumberForm) -> str:
    """Return how the numbers of a column were read, with an example."""
    number = parse(form.example, form.mark)
    because = f" ({_name(form.mark)} is the decimal mark, {form.evidence})" if form.evidence else ""
    return f"holds numbers in local form: {form.example!r} was read as {number:.10g}{because}"


def _name(mark: str) -> str:
    return "the comma" if mark == "," else "the point"


def _fits(word: str, mark: str) -> bool:
    bare = word.strip()
    match = DRESSED.fullmatch(bare[1:-1] if bare.startswith("(") and bare.endswith(")") else bare)
    return match is not None and FORMS[mark].fullmatch(match["digits"]) is not None

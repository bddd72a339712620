"""What a column of a table holds, for generators: key, constant, number, date, words or text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sparring.data.tables.cells import MISSING, NOT_A_NUMBER, to_number
from sparring.data.tables.columns import MAX_CATEGORIES
from sparring.data.tables.dates import date_formats
from sparring.data.tables.keys import key_pattern
from sparring.data.tables.number_forms import number_form, parse
from sparring.data.tables.unsuitable_columns import IDENTIFIER
from sparring.engine.table_form import RARE, CellForm, FileColumn

MIN_COUNT = 5
"""Rows that have to hold a word before it is kept; words of fewer rows are rare."""
KEPT_WORDS = 100
"""Words that are kept of a column with more than MAX_CATEGORIES."""
MAX_REFILL = 1000
"""Further words that may be written in place of rare ones."""
ENOUGH = 0.9
"""Fraction of the cells that have to be numbers, or dates."""
COVERED = 0.5
"""Fraction of the cells that words of MIN_COUNT rows have to hold; a column with fewer is text."""
MIN_KEYS = 20
"""Rows from which different cells are taken for a key."""
REPEATED = 0.02
"""Fraction of the rows that may repeat the word of a key of one length: rows that are in a file twice."""
MAX_DECIMALS = 9
GAP_WORDS = NOT_A_NUMBER - {"none"}
"""Cells without a value, in any case of letters; `none` may be a word."""


@dataclass
class ColumnProfile:
    """Cells of a column, counted; of more than `limit` different ones the first."""

    name: str
    limit: int
    counts: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    uncounted: int = 0
    """Rows with cells beyond the first `limit`."""

    def add(self, cell: str) -> None:
        """Take note of one cell."""
        self.rows += 1
        if (count := self.counts.get(cell)) is not None:
            self.counts[cell] = count + 1
        elif len(self.counts) < self.limit:
            self.counts[cell] = 1
        else:
            self.uncounted += 1

    def values(self) -> dict[str, int]:
        """Return the cells that hold a value, with their rows."""
        return {cell: count for cell, count in self.counts.items() if not is_gap(cell)}

    @property
    def gap(self) -> str | None:
        """Commonest cell without a value; None without gaps."""
        gaps = {cell: count for cell, count in self.counts.items() if is_gap(cell)}
        return max(gaps, key=lambda cell: gaps[cell]) if gaps else None


class Plan(NamedTuple):
    """How a column is read and written."""

    written: FileColumn
    form: CellForm | None = None
    """None for columns that are not learnt."""
    categories: tuple[str, ...] = ()
    """Words, RARE and the gap; empty for numbers and dates."""
    mark: str | None = None
    dates: tuple[str, ...] = ()
    """Formats of the dates in the column."""
    notes: tuple[str, ...] = ()


def is_gap(cell: str) -> bool:
    """Return True for a cell without a value."""
    return cell in MISSING or cell.casefold() in GAP_WORDS


def plan_column(profile: ColumnProfile, mark: str, *, categorical: bool, commas: bool) -> Plan:
    """Choose how to read a column; `mark` and `commas` are those of `number_form`."""
    name, values, gap = profile.name, profile.values(), profile.gap
    if len(values) <= 1 and not (values and gap is not None):
        what = "holds no value" if not values else f"holds {next(iter(values))!r} alone"
        return Plan(
            FileColumn(name, "constant", next(iter(values), gap or "")),
            notes=(f"column '{name}' {what}: it is written so in every row",),
        )
    if not categorical and (key := _key(profile, values, gap)):
        return key
    if not categorical and (number := _number(name, values, gap, mark, commas)):
        return number
    if not categorical and (formats := date_formats(values, ENOUGH)):
        others = f", and in {len(formats) - 1} other forms" * (len(formats) > 1)
        note = f"column '{name}' holds dates as {formats[0]}{others}: it is written in the first"
        form = CellForm(0, date=formats[0], gap=gap)
        return Plan(FileColumn(name, "learnt"), form, dates=tuple(formats), notes=(note,))
    return _words(profile, values, gap)


def _key(profile: ColumnProfile, values: Mapping[str, int], gap: str | None) -> Plan | None:
    """Return the plan of a key: another cell in each row, and no mere measurement."""
    name = profile.name
    repeated = sum(values.values()) - len(values)
    if gap is not None or len(values) < MIN_KEYS or repeated > REPEATED * len(values):
        return None
    numbers = [to_number(cell) for cell in values]
    if all(number is not None for number in numbers):
        if repeated:
            return None
        whole = [number for number in numbers if number is not None and number.is_integer()]
        dense = len(whole) == len(numbers) and max(whole) - min(whole) + 1 == len(whole)
        named = IDENTIFIER.fullmatch(name) or IDENTIFIER.fullmatch(name.lower())
        if not dense and not (named and len(whole) == len(numbers)):
            return None
        return Plan(FileColumn(name, "key"), notes=(f"column '{name}' numbers the rows: it is numbered anew from 1",))
    if any(len(cell.split()) > 1 or len(cell) > 40 for cell in values) or date_formats(values, ENOUGH):
        return None
    if number_form(values, ".") is not None or (repeated and len({len(cell) for cell in values}) > 1):
        return None
    pattern = key_pattern(list(values))
    note = f"column '{name}' holds another word in each row, a key: it is not learnt, but made anew as {pattern}"
    return Plan(FileColumn(name, "key", pattern), notes=(note,))


def _number(name: str, values: Mapping[str, int], gap: str | None, mark: str, commas: bool) -> Plan | None:
    """Return the plan of a column of numbers, of which a few cells may be none; these become gaps."""
    form = number_form(values, mark, commas=commas)
    decimal = form.mark if form else None
    numeric = [cell for cell in values if _to_number(cell, decimal) is not None]
    count = sum(values[cell] for cell in numeric)
    if not numeric or count < ENOUGH * sum(values.values()):
        return None
    notes = []
    if len(numeric) < len(values):
        wrong = [cell for cell in values if _to_number(cell, decimal) is None]
        rows = sum(values[cell] for cell in wrong)
        notes.append(
            f"column '{name}': {rows:,} cell{'s' * (rows > 1)}, as {wrong[0]!r}, hold no number: taken as gaps"
        )
        gap = gap if gap is not None else ""
    if form:
        notes.append(f"column '{name}' holds numbers with the decimal mark {form.mark!r}, as {form.example!r}")
    digits = Counter[int]()
    for cell in numeric:
        digits[_decimals(cell, decimal or ".")] += values[cell]
    decimals = max(digits)
    cell_form = CellForm(decimals if decimals <= MAX_DECIMALS else None, len(digits) > 1, gap=gap)
    return Plan(FileColumn(name, "learnt"), cell_form, mark=decimal, notes=tuple(notes))


def _to_number(cell: str, mark: str | None) -> float | None:
    return to_number(cell) if mark is None else parse(cell, mark)


def _decimals(cell: str, mark: str) -> int:
    """Return the digits after the decimal mark; more than MAX_DECIMALS of a number with an exponent."""
    if "e" in cell.lower():
        return MAX_DECIMALS + 1
    fraction = cell.rpartition(mark)[2] if mark in cell else ""
    return len("".join(filter(str.isdigit, fraction)))


def _without_full_stops(values: Mapping[str, int]) -> dict[str, int]:
    """Return the words, those with a full stop as those without where both are there: some test sets of UCI end so."""
    merged = dict(values)
    for word in values:
        if word.endswith(".") and word[:-1] in merged:
            merged[word[:-1]] += merged.pop(word)
    return merged


def _words(profile: ColumnProfile, values: Mapping[str, int], gap: str | None) -> Plan:
    """Return the plan of a column of words; of text, where few words are in MIN_COUNT rows."""
    values = _without_full_stops(values)
    name, total = profile.name, sum(values.values()) + profile.uncounted
    common = sorted((w for w in values if values[w] >= MIN_COUNT), key=lambda word: (-values[word], word))
    covered = sum(values[word] for word in common)
    if covered < COVERED * total:
        note = (
            f"column '{name}' is left out: most of its words are in fewer than {MIN_COUNT} rows, as names and free "
            "text are; its cells are written empty"
        )
        return Plan(FileColumn(name, "text"), notes=(note,))
    has_many = len(values) + profile.uncounted > MAX_CATEGORIES
    kept, refill = (common[:KEPT_WORDS], common[KEPT_WORDS:]) if has_many else (common, [])
    rare = total - sum(values[word] for word in kept)
    notes = []
    if rare - sum(values[word] for word in refill):
        words = f"{len(values) - len(common):,} word{'s' * (len(values) - len(common) > 1)}"
        notes.append(f"column '{name}': {words} in fewer than {MIN_COUNT} rows each not kept")
    if refill:
        notes.append(f"column '{name}': beyond the {KEPT_WORDS} commonest words others are drawn by their frequency")
    form = CellForm(gap=gap, refill=tuple((word, values[word]) for word in refill[:MAX_REFILL]))
    categories = (*sorted(kept), *([RARE] if rare else []), *([gap] if gap is not None else []))
    return Plan(FileColumn(name, "learnt"), form, categories, notes=tuple(notes))

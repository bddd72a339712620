"""What the columns of a table hold: numbers or categories, classes, and which cells fit neither."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.cells import MISSING, is_void, to_number
from sparring.data.tables.number_forms import describe_form, is_ambiguous, number_form, parse, shows_commas
from sparring.data.tables.unsuitable_columns import remark_on
from sparring.engine.data_spec import Column
from sparring.engine.errors import UsageError

MAX_CATEGORIES = 200
"""Categories of a column; one with more holds names, or numbers with a slip of the pen."""
MAX_EXACT = 2**24
"""Up to which float32 holds all whole numbers."""


class Misfit(ValueError):
    """Reason why a row cannot be used."""


@dataclass
class ColumnSummary:
    """Values of a column, summed up row by row; of more than MAX_CATEGORIES different ones the first are kept."""

    name: str
    values: dict[str, None] = field(default_factory=dict)
    """Different values, in the order in which they were met."""
    has_more: bool = False
    """True where there are more different values than are kept."""
    has_numbers: bool = False
    all_numbers: bool = True
    """True while all values but for those without a number are numbers."""
    is_integer: bool = True
    first_word: tuple[int, str] | None = None
    """Line and value of the first that is no number."""
    has_missing: bool = False
    counts: bool = True
    """True while each row holds one more than the row before."""
    rows: int = 0
    _last: float | None = None

    def follow(self, value: str) -> bool:
        """Take the next row; return whether the column still counts the rows."""
        number, last = to_number(value), self._last
        self.counts = number is not None and (last is None or number == last + 1)
        self._last = number
        return self.counts

    def add(self, value: str, line: int) -> None:
        """Take note of one cell."""
        if value in self.values:
            return
        if len(self.values) <= MAX_CATEGORIES:
            self.values[value] = None
        else:
            self.has_more = True
        if value in MISSING:
            self.has_missing = True
        elif (number := to_number(value)) is not None:
            self.has_numbers = True
            self.is_integer &= number.is_integer() and abs(number) < MAX_EXACT
        elif not is_void(value):
            self.all_numbers = False
            self.first_word = self.first_word or (line, value)

    def to_column(
        self, first: int, is_categorical: bool, file: str, mark: str = ".", *, commas: bool = False
    ) -> Column | None:
        """Return the column whose numbers begin at index `first`; None for one of more words than a column may have.

        `mark` is the decimal mark where the numbers fit both, `commas` that of `number_form`. Raises UsageError where
        most of too many words are numbers: a slip of the pen, or numbers that are to be categories.
        """
        if not is_categorical and (local := self._local_numbers(first, mark, commas)):
            return local
        if self.has_numbers and self.all_numbers and not is_categorical:
            return Column(self.name, (first,), (), self.is_integer, 0.0, 0.0)
        words = [value for value in self.values if value not in MISSING]
        if self.has_more or len(words) > MAX_CATEGORIES:
            numbers = sum(to_number(word) is not None for word in words)
            if numbers < len(words) / 2 and not is_categorical:
                return None
            where = "{1!r} in line {0}".format(*self.first_word) if self.first_word else "all of them numbers"
            raise UsageError(
                f"{file}: column '{self.name}' has more than {MAX_CATEGORIES} different words, {where}: correct it, "
                f"or leave it out (--drop '{self.name}')"
            )
        categories = (*sorted(words), *(["?"] if self.has_missing and "?" not in words else []))
        indices = tuple(range(first, first + len(categories)))
        return Column(self.name, indices, categories, False, 0.0, 1.0)

    def _local_numbers(self, first: int, mark: str, commas: bool) -> Column | None:
        """Return a numeric column where nearly all words are numbers in a local form."""
        if (form := number_form(self.values, mark, commas=commas)) is None:
            return None
        numbers = [parse(word, form.mark) for word in self.values if word not in MISSING and not is_void(word)]
        whole = all(number is None or number.is_integer() for number in numbers)
        return Column(self.name, (first,), (), whole, 0.0, 0.0, form.mark)

    def to_numbers(self, file: str, mark: str, required: bool) -> Column | None:
        """Return the column as a numeric label: where `required`, or where too many numbers are there for classes.

        Else None. Raises UsageError where a numeric label is required of words.
        """
        if not required and not (self.has_more and self.all_numbers):
            return None
        if local := self._local_numbers(0, mark, False):
            return local
        if self.has_numbers and self.all_numbers:
            return Column(self.name, (0,), (), self.is_integer, 0.0, 0.0)
        line, word = self.first_word or (0, "")
        where = f"holds words ({word!r} in line {line})" if word else "holds no numbers"
        raise UsageError(
            f"{file}: '{self.name}' {where}, and `sparring regress` predicts numbers: correct the cell, name a column "
            "of numbers, or take `sparring classify` for words"
        )

    def to_classes(self, file: str) -> tuple[str, ...]:
        """Return the different values of the class column; among numbers, what stands for none is no class."""
        values = [value for value in self.values if value not in MISSING]
        numbers = [value for value in values if not is_void(value)]
        classes = numbers if numbers and all(to_number(value) is not None for value in numbers) else values
        if self.has_more or len(classes) > MAX_CATEGORIES:
            raise UsageError(
                f"{file}: '{self.name}' has more than {MAX_CATEGORIES} different values, too many for classes: "
                "is --label right? `sparring regress` predicts numbers"
            )
        names = [name for name in classes if not (name.endswith(".") and name[:-1] in classes)]
        return tuple(dict.fromkeys(map(class_name, names)))


class RowCoder:
    """Write the cells of rows as numbers: numeric columns as they are, categories one-hot."""

    def __init__(self, columns: Sequence[Column], header: Sequence[str]) -> None:
        self.ambiguous: dict[str, list[str]] = {}
        """Column -> cells that are numbers by both decimal marks."""
        place_of = {name: place for place, name in enumerate(header)}
        self._columns = [
            (place_of[c.name], dict(zip(c.categories, c.indices, strict=True)) if c.categories else None, c)
            for c in columns
        ]

    def remarks(self) -> list[str]:
        """Return notes on the cells whose mark may stand for decimals or thousands."""
        return [
            f"column '{name}': {len(cells):,} cell{'s' * (len(cells) > 1)}, such as {cells[0]!r}, may hold decimals or "
            "thousands: they were read as the others of the column"
            for name, cells in self.ambiguous.items()
        ]

    def __call__(self, cells: Sequence[str], row: NDArray[np.float32]) -> None:
        """Write `cells` into a `row` `[F]` of zeros; raises Misfit where one does not fit its column."""
        for position, index_of, column in self._columns:
            cell = cells[position]
            if index_of is None:
                mark = column.decimal_mark
                if (number := parse_cell(cell, mark)) is None:
                    missing = f"no number in '{column.name}'"
                    raise Misfit(missing if cell in MISSING else f"'{cell}' is no number in '{column.name}'")
                row[column.indices[0]] = number
                if mark is not None and is_ambiguous(cell):
                    self.ambiguous.setdefault(column.name, []).append(cell)
                continue
            category = "?" if cell in MISSING else cell
            if (index := index_of.get(category)) is None:
                raise Misfit(f"unknown category '{category}' in '{column.name}'")
            row[index] = 1


def parse_cell(cell: str, mark: str | None) -> float | None:
    """Return the number in a cell, in the local form of this decimal mark, if any; None where there is none."""
    return to_number(cell) if mark is None else parse(cell, mark)


def class_name(cell: str) -> str:
    """Return the class that a cell names: whole numbers that are written as floats, such as 1.0, without the point."""
    number = to_number(cell)
    is_float = number is not None and not cell.lstrip("+-").isdigit()
    return f"{number:.0f}" if number is not None and is_float and number.is_integer() else cell


def to_class(cell: str, target: str, classes: Collection[str]) -> str:
    """Return the class that a cell names, also with a full stop at its end; raises Misfit where it names none."""
    if cell in MISSING and cell not in classes:
        raise Misfit(f"no class in '{target}'")
    written = (cell, class_name(cell), cell.removesuffix("."))  # so some test sets of UCI end their lines
    name = next((name for name in written if name in classes), None)
    if name is None:
        raise Misfit(f"unknown class '{cell}' in '{target}'")
    return name


def _remarks(summary: ColumnSummary, column: Column, mark: str, commas: bool) -> list[str]:
    """Return notes on how a column was read, and on why a model should not learn from it."""
    notes = []
    if column.decimal_mark and (form := number_form(summary.values, mark, commas=commas)):
        notes.append(f"column '{column.name}' {describe_form(form)}")
    words = [value for value in summary.values if value not in MISSING]
    remark = remark_on(
        column.name, words, len(words), summary.rows, numeric=not column.categories,
        counts=summary.counts and summary.rows > 2,
    )  # fmt: skip
    return [*notes, *([f"column '{column.name}' {remark}: --drop '{column.name}' leaves it out"] if remark else [])]


def choose_columns(
    summaries: Iterable[ColumnSummary], categorical: Collection[str], file: str, notes: list[str], mark: str = "."
) -> tuple[Column, ...]:
    """Return the columns that rows are made of; those of too many words are left out, and `notes` say so."""
    columns: list[Column] = []
    dropped: list[str] = []
    problems: list[str] = []
    first, summaries = 0, list(summaries)
    commas = shows_commas(summary.values for summary in summaries)
    for summary in summaries:
        try:
            column = summary.to_column(first, summary.name in categorical, file, mark, commas=commas)
        except UsageError as error:
            problems.append(str(error))
            continue
        if column is None:
            dropped.append(summary.name)
        else:
            columns.append(column)
            first += len(column.indices)
            notes += _remarks(summary, column, mark, commas)
    if problems:
        raise UsageError("; ".join(problems))
    if dropped:
        which = ", ".join(f"'{name}'" for name in dropped)
        notes.append(
            f"columns of more than {MAX_CATEGORIES} different words were left out: {which}; "
            "--drop names those to leave out"
        )
    if not columns:
        raise UsageError(f"{file}: no column is left to learn from: {'; '.join(notes) or 'all were dropped'}")
    return tuple(columns)

"""A CSV file as rows of numbers in their own units: words become one-hot groups, and columns keep their names."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from sparring.attacks.norms import Norm
from sparring.attacks.tabular_constraints import TabularConstraints
from sparring.attacks.threat_model import Threat
from sparring.engine.data_spec import Column
from sparring.engine.errors import SparringError, UsageError, did_you_mean

MISSING = ("", "?")
"""What stands for no value; among words it is a word of its own, `?`."""
VOID = frozenset({"nan", "na", "n/a", "#n/a", "<na>", "null", "none"})
"""What programs write where there is no number, in capitals or not; a column of words may hold them as words."""
MOST = 200
"""Different words in a column; one with more is a name, or a number with a slip of the pen."""
EXACT = 2**24
"""Up to which float32 holds all whole numbers."""
LARGEST = 1e38
"""Of a number in float32, more or less."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows, and all that must be known to change them plausibly."""

    x: Tensor
    """float32 `[N, F]`, in the units of the file."""
    y: Tensor
    """int64 `[N]`, numbers of `classes`."""
    columns: tuple[Column, ...]
    classes: tuple[str, ...]
    skipped: dict[str, list[int]]
    """Why -> lines of the file."""
    lines: tuple[int, ...]
    """Of the file, one for each row: where it ends."""

    def constraints(
        self,
        *,
        movable: Iterable[str] | None = None,
        immutable: Iterable[str] = (),
        increasing: Iterable[str] = (),
        decreasing: Iterable[str] = (),
    ) -> TabularConstraints:
        """What may happen to columns, told by their names: whole numbers stay whole and words stay words, whatever is told.

        Where `movable` is given, it and what may increase or decrease move alone, and others else but for the `immutable`.
        Columns that are the same in all rows never move. Raises UsageError on a name that there is not, words that grow, or a
        column of two kinds.
        """
        told = {"movable": movable or (), "immutable": immutable, "increasing": increasing, "decreasing": decreasing}
        named = {way: {column.name for column in self._named(names)} for way, names in told.items()}
        _check_one_way(named)
        move = {c.name for c in self.columns} if movable is None else set().union(*named.values())
        still = named["immutable"] | {c.name for c in self.columns if c.is_constant or c.name not in move}
        moving = [column for column in self.columns if column.name not in still]
        ways = {way: self._numbers(named[way], way) for way in ("increasing", "decreasing")}
        return TabularConstraints(
            immutable=tuple(place for column in self.columns if column.name in still for place in column.indices),
            integer=tuple(column.indices[0] for column in moving if column.is_integer),
            one_hot=tuple(column.indices for column in moving if column.categories),
            **{way: tuple(c.indices[0] for c in columns if not c.is_constant) for way, columns in ways.items()},
        )

    def threat(self, norm: Norm, eps: float | Tensor, columns: TabularConstraints | None = None) -> Threat:
        """All rows within `eps` whose numbers lie between the lowest and the highest of the file; see `constraints`."""
        spans = [(c.low, c.high if c.low < c.high else c.low + 1) for c in self.columns for _ in c.indices]
        low, high = torch.tensor(spans).unbind(1)
        return Threat(norm, eps, low, high, columns=self.constraints() if columns is None else columns)

    def take(self, rows: Tensor) -> Table:
        """Some of its rows, by number, in this order; columns and classes stay as they are."""
        lines = tuple(self.lines[row] for row in rows.tolist())
        return replace(self, x=self.x[rows], y=self.y[rows], lines=lines)

    def differs(self, adv: Tensor, x: Tensor) -> Tensor:
        """True where a column of the file differs, bool `[B, columns]`."""
        return torch.stack([(adv != x)[:, c.indices].any(1) for c in self.columns], 1)

    def changed(self, adv: Tensor, x: Tensor) -> Tensor:
        """How many columns of the file differ in each row, int64 `[B]`: a word for another is one, and not two."""
        return self.differs(adv, x).sum(1)

    def told(self, row: Tensor) -> dict[str, str | float]:
        """A row `[F]` of numbers, by name, as it would stand in the file."""
        values = row.tolist()
        return {
            c.name: c.categories[row[list(c.indices)].argmax()] if c.categories else values[c.indices[0]]
            for c in self.columns
        }

    def _named(self, names: Iterable[str]) -> list[Column]:
        names, known = list(_several(names)), {column.name: column for column in self.columns}
        if unknown := next((name for name in names if name not in known), None):
            raise UsageError(f"there is no column '{unknown}': {did_you_mean(unknown, known)}")
        return [known[name] for name in names]

    def _numbers(self, names: Collection[str], way: str) -> list[Column]:
        columns = [column for column in self.columns if column.name in names]
        if words := next((column for column in columns if column.categories), None):
            raise UsageError(f"'{words.name}' cannot be {way}: it holds words ({', '.join(words.categories[:3])}, ...)")
        return columns


def read_table(
    path: str | Path,
    target: str,
    *,
    names: Sequence[str] | None = None,
    drop: Collection[str] = (),
    words: Collection[str] = (),
    like: Table | None = None,
    missing: Collection[str] = MISSING,
    delimiter: str = ",",
) -> Table:
    """Read a CSV file (RFC 4180, UTF-8) whose column `target` is the class; its first line holds `names`, unless given.

    `drop` leaves columns out; those of `words` are words although they look like numbers. `like` codes a test set as its
    training set was: columns and classes are those. A row that does not fit, or lacks a number or its class, is left out and told
    (`Table.skipped`): where a column holds numbers but for `missing`, VOID, infinity, and what float32 cannot hold, its rows
    without a number are; if that is not meant, `words` makes it one of words, `drop` does without it. So it is with a class. Raises UsageError on names that are not there, SparringError on a file that is no table.
    """
    path = Path(path)
    missing, lines = set(_several(missing)), _lines(path, delimiter)
    names = _header(path, lines, names)
    used = _used(path, names, target, drop, words, like)
    skipped: dict[str, list[int]] = {}
    whole = [(n, dict(zip(names, fields, strict=True))) for n, fields in lines if len(fields) == len(names)]
    for number, fields in lines:
        if len(fields) != len(names):
            skipped.setdefault(f"{len(fields)} fields in place of {len(names)}", []).append(number)
    if not whole:
        raise SparringError(
            f"{path}: no line has {len(names)} fields, as many as there are names: is the delimiter right?"
        )
    columns = like.columns if like else _columns(path, whole, used, words, missing)
    classes = like.classes if like else _classes(path, target, {row[target] for _, row in whole} - missing)
    x, y, kept = [], [], []
    for number, row in whole:
        try:
            coded = [value for column in columns for value in _coded(column, row[column.name], missing)]
            y.append(_class(row[target], target, classes, missing))
            x.append(coded)
            kept.append(number)
        except _Odd as odd:
            skipped.setdefault(str(odd), []).append(number)
    if not x:
        reason, count = max(((reason, len(lines)) for reason, lines in skipped.items()), key=lambda pair: pair[1])
        raise SparringError(f"{path}: no row is left; {count:,} of them: {reason}")
    if len(classes) < 2:
        raise SparringError(
            f"{path}: all rows are of one class, {target} = {classes[0]}: there is nothing to tell apart"
        )
    rows = torch.tensor(x, dtype=torch.float32)
    spanned = tuple(_spanned(column, rows, like) for column in columns)
    return Table(rows, torch.tensor(y), spanned, classes, skipped, tuple(kept))


def _check_one_way(named: Mapping[str, set[str]]) -> None:
    """Raise UsageError where a column is told to be of two kinds that exclude each other."""
    for one, other in (
        ("immutable", "movable"),
        ("immutable", "increasing"),
        ("immutable", "decreasing"),
        ("increasing", "decreasing"),
    ):
        if both := sorted(named[one] & named[other]):
            raise UsageError(f"'{both[0]}' is told to be {one} and {other}: it can only be one of them")


class _Odd(ValueError):
    """Why a row is left out."""


def _lines(path: Path, delimiter: str) -> list[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers; fields without the space around them."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            lines = [(reader.line_num, [field.strip() for field in fields]) for fields in reader if fields]
    except FileNotFoundError as error:
        raise UsageError(f"there is no {path}") from error
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise SparringError(f"{path} is no CSV table in UTF-8: {error}") from error
    except TypeError as error:
        raise UsageError(f"delimiter is one letter, not {delimiter!r}") from error
    if not lines:
        raise SparringError(f"{path} is empty")
    return lines


def _header(path: Path, lines: list[tuple[int, list[str]]], names: Sequence[str] | None) -> list[str]:
    """The names of the columns; the line that holds them is taken off."""
    found = list(_several(names)) if names is not None else lines[0][1]
    if lines[0][1] == found:
        lines.pop(0)
    if twice := next((name for k, name in enumerate(found) if name in found[:k]), None):
        raise UsageError(
            f"{path} has two columns '{twice}'; if its first line holds no names, give them (--names, or names=(...))"
        )
    return found


def _several(names: Iterable[str]) -> Iterable[str]:
    if isinstance(names, str):
        raise UsageError(f"give ('{names}',), as there may be several, and not '{names}'")
    return names


def _used(
    path: Path, names: Sequence[str], target: str, drop: Collection[str], words: Collection[str], like: Table | None
) -> list[str]:
    """The columns that rows are made of, when all names that were given are there."""
    for name in (target, *_several(drop), *_several(words)):
        if name not in names:
            raise UsageError(f"{path} has no column '{name}': {did_you_mean(name, names)}")
    used = [name for name in names if name != target and name not in drop]
    if not used:
        raise UsageError(f"{path}: nothing but '{target}' is left of its columns")
    if lacking := next((column.name for column in (like.columns if like else ()) if column.name not in used), None):
        raise UsageError(f"{path} has no column '{lacking}', which the table has that it should be like")
    return used


def _columns(
    path: Path,
    rows: Sequence[tuple[int, dict[str, str]]],
    used: Sequence[str],
    words: Collection[str],
    missing: Collection[str],
) -> list[Column]:
    """What each column holds, by all its values."""
    columns: list[Column] = []
    for name in used:
        first = sum(len(column.indices) for column in columns)
        values = {row[name] for _, row in rows}
        told = values - set(missing)
        numbers = [_number(value) for value in told if not _void(value)]
        if numbers and name not in words and None not in numbers:
            whole = all(number is not None and number.is_integer() and abs(number) < EXACT for number in numbers)
            columns.append(Column(name, (first,), (), whole, 0.0, 0.0))
            continue
        if len(told) > MOST:
            odd = [(n, row[name]) for n, row in rows if row[name] in told and _number(row[name]) is None]
            say = "{1!r} in line {0}".format(*odd[0]) if odd else "all of them numbers"
            raise UsageError(
                f"{path}: column '{name}' has {len(told):,} different words, {say}: leave it out (--drop '{name}', or drop=('{name}',))"
            )
        known = (*sorted(told), *(["?"] if values & set(missing) and "?" not in told else []))
        columns.append(Column(name, tuple(range(first, first + len(known))), known, False, 0.0, 1.0))
    return columns


def _classes(path: Path, target: str, values: set[str]) -> tuple[str, ...]:
    """The different values of the class; where they are numbers, what stands among them for none is no class."""
    told = {value for value in values if not _void(value)}
    found = told if told and all(_number(value) is not None for value in told) else values
    if len(found) > MOST:
        raise UsageError(
            f"{path}: '{target}' has {len(found):,} different values, too many for classes: is it the column to tell?"
        )
    return tuple(sorted(found))


def _number(value: str) -> float | None:
    """None where it is none; NaN, infinity and what float32 cannot hold are none either."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < LARGEST and "_" not in value else None


def _void(value: str) -> bool:
    """True of what stands among numbers for none, or for one that cannot be held."""
    try:
        return value.casefold() in VOID or (not abs(float(value)) < LARGEST and "_" not in value)
    except ValueError:
        return False


def _coded(column: Column, value: str, missing: Collection[str]) -> list[float]:
    if column.categories:
        word = "?" if value in missing else value
        if word not in column.categories:
            raise _Odd(f"unknown word '{word}' in '{column.name}'")
        return [float(word == known) for known in column.categories]
    if value in missing:
        raise _Odd(f"no number in '{column.name}'")
    number = _number(value)
    if number is None:
        raise _Odd(f"'{value}' is no number in '{column.name}'")
    return [number]


def _class(value: str, target: str, classes: Sequence[str], missing: Collection[str]) -> int:
    if value in missing:
        raise _Odd(f"no class in '{target}'")
    value = value if value in classes else value.removesuffix(".")  # so some test sets of UCI end their lines
    if value not in classes:
        raise _Odd(f"unknown class '{value}' in '{target}'")
    return classes.index(value)


def _spanned(column: Column, x: Tensor, like: Table | None) -> Column:
    """With the lowest and the highest of its numbers, also of those it should be like."""
    if column.categories:
        return column
    values = x[:, column.indices[0]]
    low, high = float(values.min()), float(values.max())
    return replace(column, low=min(low, column.low) if like else low, high=max(high, column.high) if like else high)

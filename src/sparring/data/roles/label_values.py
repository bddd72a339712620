"""Values of labels, as they come from arrays, parquet and JSON -> classes or vectors; marks for nothing are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.data.roles.words import is_nothing

MOST_MULTI_HOT = 4096
"""Largest number in lists of classes, which become vectors of zeros and ones."""
LEAST_CLASSES = 10
"""Classes from which their number is remarkable."""
ONE_EACH = 0.5
"""Classes per labelled example, above which labels are likely no classes."""


class Labels(NamedTuple):
    """A class for each example, None for no label; or a vector for each; and remarks."""

    classes: list[str | None]
    vectors: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()


def to_labels(values: Sequence[Any], name: str) -> Labels:
    """Return labels of values of any type: words, whole numbers, floats, lists of numbers or of classes.

    Floats that are whole are whole numbers; others, and lists, are vectors. Marks for nothing are no label, and are
    counted in a note.
    """
    values = [value.tolist() if isinstance(value, np.ndarray | np.generic) else value for value in values]
    known = [value for value in values if not _is_mark(value)]
    if all(isinstance(value, list | tuple) and len(value) == 1 for value in known):
        values = [value if _is_mark(value) else value[0] for value in values]
        known = [value for value in values if not _is_mark(value)]
    if known and all(isinstance(value, list | tuple) for value in known):
        return _of_lists(values, known, name)
    if any(isinstance(value, list | tuple | dict | bytes) for value in known):
        return Labels([None] * len(values), None, (f"{name} holds {type(known[0]).__name__}s: they are not used",))
    if known and all(isinstance(value, Real) for value in known) and not all(float(v).is_integer() for v in known):
        return _of_numbers(values, name)
    classes = [None if _is_mark(value) else _word(value) for value in values]
    return Labels(classes, None, tuple(mark_notes(Counter(_text(v) for v in values if _is_mark(v)), classes)))


def mark_notes(marks: Counter[str], classes: Sequence[Any]) -> list[str]:
    """Return notes on values that stand for no label, and where that leaves less than two classes."""
    if not marks:
        return []
    names = ", ".join(f"{count:,} are {mark or 'empty'}" for mark, count in marks.most_common(5))
    note = f"of {len(classes):,} labels {names}: no label"
    left = {label for label in classes if isinstance(label, str)}
    if "-1" in marks and (len(left) == 1 or left == {"0", "1"}):
        note += (
            f"; {len(left)} class{'es are' if len(left) > 1 else ' is'} left: where -1 is a class, call it by a word"
        )
    return [note]


def class_notes(count: int, labelled: int, unit: str) -> list[str]:
    """Return a note where there are nearly as many classes as labelled examples."""
    if count < LEAST_CLASSES or count <= ONE_EACH * labelled:
        return []
    return [
        f"{count:,} classes of {labelled:,} labelled {unit}: are these names or numbers? numbers are labels as vectors "
        "(floats [N, 1] that are not whole), names of files none (--label-from none)"
    ]


def _is_mark(value: Any) -> bool:
    if value is None or (isinstance(value, float) and value != value):
        return True
    return not isinstance(value, list | tuple | dict | bytes | bool) and is_nothing(_word(value))


def _text(value: Any) -> str:
    return "None" if value is None else _word(value)


def _word(value: Any) -> str:
    whole = isinstance(value, Real) and not isinstance(value, Integral) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _of_numbers(values: Sequence[Any], name: str) -> Labels:
    none: list[str | None] = [None] * len(values)
    if any(value is None or not np.isfinite(float(value)) for value in values):
        return Labels(none, None, (f"{name} holds numbers that are not whole, and lacks some: they are not used",))
    vectors = np.array(values, np.float32).reshape(len(values), 1)
    return Labels(none, vectors, (f"{name} holds numbers that are not whole: they are taken for vectors",))


def _of_lists(values: Sequence[Any], known: Sequence[Sequence[Any]], name: str) -> Labels:
    """Return vectors of lists of numbers: as they are where they are of one length, else with a 1 for each class."""
    none: list[str | None] = [None] * len(values)
    flat = [cell for value in known for cell in value]
    if not all(isinstance(cell, Real) and np.isfinite(float(cell)) for cell in flat) or len(known) < len(values):
        return Labels(none, None, (f"{name} holds lists that are no numbers for each example: they are not used",))
    if len({len(value) for value in known}) == 1:
        rows = np.array(known, np.float32)
        if ((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all():
            return Labels([str(k) for k in rows.argmax(1).tolist()])
        return Labels(none, rows, (f"{name} holds lists of {rows.shape[1]} numbers: they are taken for vectors",))
    numbers = [float(cell) for cell in flat]
    if any(number < 0 or number > MOST_MULTI_HOT or not number.is_integer() for number in numbers):
        return Labels(none, None, (f"{name} holds lists of different lengths: they are not used",))
    rows = np.zeros((len(known), int(max(numbers)) + 1), np.float32)
    for row, value in zip(rows, known, strict=True):
        row[[int(cell) for cell in value]] = 1
    return Labels(none, rows, (f"{name} holds lists of classes: they are taken for vectors with a 1 for each class",))

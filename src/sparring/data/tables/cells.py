"""Cells of tables as text: which are numbers, and which hold no value."""

from __future__ import annotations

MISSING = frozenset(("", "?"))
"""Cells without a value; among categories they are a category, `?`."""
NOT_A_NUMBER = frozenset({"nan", "na", "n/a", "#n/a", "<na>", "null", "none"})
"""What programs write where there is no number, in capitals or not; a column of words may hold them as categories."""
MAX_MAGNITUDE = 1e38
"""Largest number in float32, rounded down."""


def is_number(cell: str) -> bool:
    """Return True for text that Python reads as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def to_number(cell: str) -> float | None:
    """Return the number in a cell; None where there is none, or NaN, infinity, or one that float32 cannot hold."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if abs(number) < MAX_MAGNITUDE and "_" not in cell else None


def is_void(cell: str) -> bool:
    """Return True of what stands among numbers for none, or for one that float32 cannot hold."""
    return cell.casefold() in NOT_A_NUMBER or (is_number(cell) and to_number(cell) is None)

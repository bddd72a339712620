"""An apostrophe before cells that begin like a formula, so that no spreadsheet program computes them."""

from __future__ import annotations

from sparring.data.tables.cells import to_number

FORMULA = "=+-@\t\r"
"""First characters of cells that spreadsheet programs compute."""


def guard(cell: str) -> str:
    """Return a cell that no spreadsheet program computes: with an apostrophe before what begins like a formula."""
    if cell[:1] not in tuple(FORMULA) or to_number(cell) is not None or to_number(cell.replace(",", ".")) is not None:
        return cell
    return f"'{cell}"


def unguard(cell: str) -> str:
    """Return the cell that `guard` turns into this one; others, and what is between two apostrophes, as they are."""
    return cell[1:] if cell[:1] == "'" and cell[-1] != "'" and guard(cell[1:]) == cell else cell

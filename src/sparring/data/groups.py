"""Groups of examples, such as the values of a protected column: who is compared in a question of fairness."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import natural
from sparring.data.roles.words import is_nothing
from sparring.engine.errors import UsageError

MAX_GROUPS = 20
"""Different values that a protected column may have."""


class GroupValues:
    """Values of the protected column `name`, row by row; raises UsageError where there are too many for groups.

    Of several columns a group is a combination of their values.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._numbers: dict[str, int] = {}
        self._rows = array("q")

    def add(self, *cells: str) -> None:
        """Add the next row's value, or values; a row with an empty one is of no group."""
        values = [cell.strip() for cell in cells]
        if any(is_nothing(value) or value == "?" for value in values):
            self._rows.append(-1)
            return
        value = ", ".join(values)
        self._rows.append(self._numbers.setdefault(value, len(self._numbers)))
        check_count(len(self._numbers), self.name)

    def to_list(self) -> list[str | None]:
        """Return the group of each row; None: unknown."""
        names = [*self._numbers, None]
        return [names[number] for number in self._rows]


def check_count(count: int, name: str) -> None:
    """Raise UsageError where there are too many different values for groups."""
    if count > MAX_GROUPS:
        raise UsageError(
            f"--protect: '{name}' has more than {MAX_GROUPS} different values, too many for groups: name a column of "
            "few values, such as bands of ages"
        )


def number_groups(groups: Sequence[str | None]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the number of each example's group `[N]`, -1 for unknown, and the groups by name."""
    names = tuple(sorted({group for group in groups if group is not None}, key=natural))
    number = {name: k for k, name in enumerate(names)}
    return np.array([-1 if group is None else number[group] for group in groups], np.int64), names

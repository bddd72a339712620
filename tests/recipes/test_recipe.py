"""Range checks of recipe fields. Messages name the flag and its range."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sparring.engine.errors import UsageError
from sparring.recipes.recipe import check_fraction, check_positive, check_range


@dataclass
class Fields:
    some_field: float | None


@pytest.mark.parametrize("value", [None, 0, 0.5, 1])
def test_a_fraction_is_from_0_to_1(value: float | None) -> None:
    check_fraction(Fields(value), "some_field")


def test_messages_name_the_flag_and_its_range() -> None:
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match=f"--some-field must be from 0 to 1, not {value}"):
            check_fraction(Fields(value), "some_field")
    for value in (-1, 3, float("nan")):
        with pytest.raises(UsageError, match=f"--some-field must be at least 0 and below 3, not {value}"):
            check_range(Fields(value), 0, 3, "some_field")
    with pytest.raises(UsageError, match="--some-field must be above 0, not 0"):
        check_positive(Fields(0), "some_field")

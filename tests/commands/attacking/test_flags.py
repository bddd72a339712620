from __future__ import annotations

import pytest

from sparring.commands.attacking.flags import KindFlags
from sparring.engine.errors import UsageError


def test_values_are_put_into_the_group_of_their_kind() -> None:
    flags = KindFlags.from_values({"eps": 0.1, "target": "seven", "max_columns": 3})
    assert flags.ball.eps == 0.1 and flags.audio.target == "seven" and flags.table.max_columns == 3


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="no parameter 'norms': did you mean 'norm'"):
        KindFlags.from_values({"norms": "L2"})


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ({"masked": True}, "table", "--masked is for audio, and the data are of kind table"),
        ({"eps": 0.1}, "audio", "--eps is for images and series"),
        ({"max_columns": 1}, "image", "--max-columns is for tables"),
        ({"steps": (0, 4)}, "image", "--steps is for series"),
    ],
)
def test_a_flag_of_another_kind_is_refused(values: dict[str, object], kind: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        KindFlags.from_values(values).check_kind(kind)


def test_defaults_fit_every_kind() -> None:
    for kind in ("image", "audio", "series", "table"):
        KindFlags.from_values({"masked": False, "eps": None, "move": ()}).check_kind(kind)

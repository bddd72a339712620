from __future__ import annotations

import pytest
import torch

from sparring.attacks.tabular_constraints import TabularConstraints
from sparring.attacks.threat_for import constraints_for, threat_for
from sparring.engine.data_spec import AudioSpec, Column, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.errors import UsageError

TABLE = TableSpec(
    (
        Column("age", (0,), (), True, 18.0, 90.0),
        Column("job", (1, 2, 3), ("chef", "clerk", "vet"), False, 0.0, 1.0),
        Column("wage", (4,), (), False, 5.0, 50.0),
        Column("year", (5,), (), True, 1996.0, 1996.0),
    ),
    "rich",
    ("no", "yes"),
    10,
)
ROWS = torch.tensor([[20.0, 0, 1, 0, 9.5, 1996], [95.0, 1, 0, 0, 60.0, 1996]])


def test_images_have_a_ball_of_pixels_in_their_box() -> None:
    x = torch.zeros(1, 3, 32, 32)
    spec = ImageSpec(32, 32, 3, ("a", "b"), 10)
    threat = threat_for(spec, x, box=(0.0, 255.0))
    assert (threat.norm, threat.eps, threat.low, threat.high) == ("Linf", pytest.approx(8.0), 0.0, 255.0)
    assert threat_for(spec, x, 0.25, norm="L2").eps == 0.25


def test_sounds_have_a_bound_in_decibels_of_their_own_peak() -> None:
    x = torch.tensor([[[0.5, -0.1]], [[0.0, 0.0]]])
    mask = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])
    threat = threat_for(AudioSpec(8000, 2, ("a", "b"), 10), x, -20, mask=mask)
    assert torch.allclose(torch.as_tensor(threat.eps), torch.tensor([0.05, 0.0]))
    adv = threat.project(torch.ones_like(x), x)
    assert torch.allclose(adv, torch.tensor([[[0.55, -0.1]], [[0.0, 0.0]]]))
    assert torch.as_tensor(threat_for(AudioSpec(8000, 2, (), 10), x).eps)[0] == pytest.approx(0.5 * 10**-1.5)


def test_series_have_a_ball_of_standard_deviations_and_no_box() -> None:
    x = torch.full((1, 2, 3), 7.0)
    mask = torch.tensor([[1.0, 1, 0], [0, 0, 0]])
    threat = threat_for(SeriesSpec(("a", "b"), 3, (0.0, 0.0), (1.0, 1.0), (), 10), x, 0.5, mask=mask)
    threat.check(x)
    assert torch.equal(threat.project(x + 9, x), x + 0.5 * mask)
    assert threat.allows(x + 0.5 * mask, x).all() and not threat.allows(x + 0.5, x).any()


def test_tables_stay_within_the_values_of_the_data_and_of_the_attacked_rows() -> None:
    threat = threat_for(TABLE, ROWS)
    threat.check(ROWS)
    low, high = (torch.as_tensor(bound).tolist() for bound in (threat.low, threat.high))
    assert low == [18, 0, 0, 0, 5, 1996] and high == [95, 1, 1, 1, 60, 1997] and threat.eps == 6
    assert threat_for(TABLE, ROWS, 2).eps == 2


def test_constraints_by_name() -> None:
    assert constraints_for(TABLE) == TabularConstraints(immutable=(5,), integer=(0,), one_hot=((1, 2, 3),))
    only = constraints_for(TABLE, movable=("wage",), increasing=("age",))
    assert only == TabularConstraints(immutable=(1, 2, 3, 5), integer=(0,), increasing=(0,))
    rest = constraints_for(TABLE, immutable=("job",), decreasing=("wage", "year"))
    assert rest == TabularConstraints(immutable=(1, 2, 3, 5), integer=(0,), decreasing=(4,))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"movable": ("wages",)}, "no column 'wages': did you mean 'wage'"),
        ({"increasing": ("job",)}, r"'job' cannot be increasing: it holds categories \(chef, clerk, vet, ...\)"),
        ({"immutable": ("age",), "increasing": ("age",)}, "'age' is immutable and increasing"),
        ({"immutable": ("age",), "movable": ("age",)}, "'age' is immutable and movable"),
        ({"immutable": "age"}, "a sequence"),
    ],
)
def test_bad_names(names: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        constraints_for(TABLE, **names)  # type: ignore[arg-type]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="no threat model for str"):
        threat_for("smells", ROWS)

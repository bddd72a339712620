from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparring.attacks.norms import NORMS, Norm
from sparring.attacks.tabular_constraints import TabularConstraints
from sparring.attacks.threat_for import decibel_threat, default_eps
from sparring.attacks.threat_model import Threat
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import UsageError

EPS: dict[Norm, float] = {"Linf": 0.3, "L2": 1.5, "L1": 4.0, "L0": 3.0}
SHAPES = {"image": (6, 3, 5, 4), "waveform": (6, 1, 30), "table": (6, 11)}
TABLE = TabularConstraints(
    immutable=(0,), increasing=(1, 6), decreasing=(2,), integer=(5, 6), one_hot=((3, 4), (8, 9, 10))
)

every_norm = pytest.mark.parametrize("norm", NORMS)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def table() -> tuple[Tensor, Threat]:
    """Six rows with a column of every kind, and a Linf threat that may move whole numbers by two."""
    x = rand(6, 11) * 4
    x[:, [5, 6]] = x[:, [5, 6]].round()
    for group in TABLE.one_hot:
        x[:, list(group)] = torch.eye(len(group))[torch.arange(6) % len(group)]
    return x, Threat("Linf", 2.0, 0.0, 4.0, columns=TABLE)


@every_norm
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@given(seed=st.integers(0, 2**31), wild=st.floats(0, 5))
@settings(deadline=None, max_examples=15)
def test_what_is_projected_or_drawn_is_allowed(norm: Norm, shape: tuple[int, ...], seed: int, wild: float) -> None:
    x = rand(*shape, seed=seed)
    mask = (rand(*shape[1:], seed=seed + 1) > 0.3).float()
    eps = torch.linspace(0, 1, 6) * EPS[norm]
    threat = Threat(norm, eps.round() if norm == "L0" else eps, mask=mask)
    generator = torch.Generator().manual_seed(seed)
    for adv in (
        threat.project(x + wild * torch.randn(shape, generator=generator), x),
        threat.start(x, generator),
    ):
        assert threat.allows(adv, x).all()
        assert torch.equal(adv * (1 - mask), x * (1 - mask))
        assert torch.equal(adv[0], x[0])  # its eps is 0


@every_norm
@given(seed=st.integers(0, 2**31), wild=st.floats(0, 5), eps=st.floats(0, 4))
@settings(deadline=None, max_examples=40)
def test_columns_keep_to_their_roles(norm: Norm, seed: int, wild: float, eps: float) -> None:
    x, threat = table()
    threat = Threat(norm, round(eps) if norm == "L0" else eps, 0.0, 4.0, columns=TABLE)
    adv = threat.project(x + wild * torch.randn(6, 11, generator=torch.Generator().manual_seed(seed)), x)
    assert threat.allows(adv, x).all()
    assert torch.equal(adv[:, 0], x[:, 0])
    assert (adv[:, [1, 6]] >= x[:, [1, 6]]).all() and (adv[:, 2] <= x[:, 2]).all()
    assert torch.equal(adv[:, [5, 6]], adv[:, [5, 6]].round())
    for group in TABLE.one_hot:
        assert (adv[:, list(group)].sort(1).values == torch.eye(len(group))[-1]).all()


def test_whole_numbers_and_categories_do_move() -> None:
    x, threat = table()
    adv = threat.project(x + torch.tensor([9.0] * 11), x)
    assert ((adv[:, 5] - x[:, 5] == 2) | (adv[:, 5] == 4)).all()
    wish = x.clone()
    wish[:, 8:] = torch.tensor([0.0, 0.6, 0.5])
    assert torch.equal(threat.project(wish, x)[:, 8:], torch.tensor([[0.0, 1.0, 0.0]] * 6))


@pytest.mark.parametrize(
    "change",
    [{0: 0.1}, {1: -0.1}, {2: 0.1}, {5: 0.5}, {6: -1.0}, {8: 0.5}, {7: 2.1}],
    ids=["immutable", "increasing", "decreasing", "integer", "both", "one-hot", "ball"],
)
def test_what_is_not_allowed_is_seen(change: dict[int, float]) -> None:
    x, threat = table()
    x[:, 7] = 1.0
    adv = x.clone()
    for column, by in change.items():
        adv[:, column] += by
    assert threat.allows(x, x).all()
    assert not threat.allows(adv, x).any()


def test_a_box_of_its_own_for_each_column() -> None:
    low, high = torch.tensor([0.0, -5.0]), torch.tensor([1.0, 5.0])
    x = torch.tensor([[0.5, 4.0]])
    adv = Threat("L2", 3.0, low, high).project(x + 2, x)
    torch.testing.assert_close(adv, torch.tensor([[1.0, 5.0]]))


@every_norm
def test_the_steepest_direction_is_of_length_one_and_no_other_climbs_faster(norm: Norm) -> None:
    gradient = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    threat = Threat(norm, 1.0)
    way = threat.steepest(gradient)
    if norm != "L0":
        torch.testing.assert_close(threat.distance(way, torch.zeros_like(way)), torch.ones(4))
        gain = (way * gradient).sum((1, 2, 3))
        for seed in range(50):
            other = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
            other = other / threat.distance(other, torch.zeros_like(other)).view(-1, 1, 1, 1)
            assert ((other * gradient).sum((1, 2, 3)) <= gain + 1e-5).all()
    assert not threat.steepest(torch.zeros_like(gradient)).any()


def test_decibels_are_peak_against_peak() -> None:
    x = torch.stack([torch.sin(torch.linspace(0, 30, 100)) * 0.5, torch.zeros(100)])[:, None]
    threat = decibel_threat(x, -30)
    adv = threat.project(torch.ones_like(x), x)
    progress = 20 * math.log10(float((adv - x)[0].abs().max())) - 20 * math.log10(float(x[0].abs().max()))
    assert progress == pytest.approx(-30, abs=1e-3)
    assert torch.equal(adv[1], x[1])
    with pytest.raises(UsageError, match="0 or less"):
        decibel_threat(x, 3)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "negative": ({"eps": -0.1}, "eps must be 0 or more, not -0.1"),
    "not a number": ({"eps": float("nan")}, "eps must be 0 or more"),
    "infinite": ({"eps": torch.tensor([0.1, torch.inf])}, "not inf"),
    "matrix": ({"eps": torch.ones(2, 2)}, "one for each row"),
    "not in the box's units": ({"eps": 8.0}, "8/255"),
    "half an entry": ({"norm": "L0", "eps": 1.5}, "counts entries"),
    "norm": ({"norm": "L3"}, "unknown norm 'L3': known: L0"),
    "box": ({"low": 1.0, "high": 1.0}, "the box is empty"),
}


@pytest.mark.parametrize(("change", "match"), WRONG.values(), ids=WRONG)
def test_threats_that_cannot_be(change: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Threat(**{"norm": "Linf", "eps": 0.1, **change})


COLUMNS: dict[str, tuple[dict[str, Any], str]] = {
    "two roles": ({"increasing": (1,), "decreasing": (1,)}, "column 1 is increasing and decreasing"),
    "fixed and whole": ({"immutable": (4,), "integer": (4,)}, "column 4 is immutable and integer"),
    "groups that overlap": ({"one_hot": ((1, 2), (2, 3))}, "column 2 is named twice under one_hot"),
    "group of one": ({"one_hot": ((1,),)}, "fewer than two"),
    "negative": ({"integer": (-1,)}, "counted from 0"),
}


@pytest.mark.parametrize(("roles", "match"), COLUMNS.values(), ids=COLUMNS)
def test_columns_that_cannot_be(roles: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        TabularConstraints(**roles)


@pytest.mark.parametrize(
    ("x", "columns", "match"),
    [
        (rand(2, 1, 4, 4), TabularConstraints(immutable=(0,)), "use mask instead"),
        (rand(2, 3), TabularConstraints(immutable=(3,)), "no column 3: x has 3"),
        (torch.full((2, 3), 0.5), TabularConstraints(integer=(1,)), "column 1 is named as integer, but row 0 has 0.5"),
        (torch.full((2, 3), 1.0), TabularConstraints(one_hot=((0, 1),)), "row 0 is not one-hot"),
    ],
    ids=["images", "too few", "fractions", "two hot"],
)
def test_columns_that_the_data_do_not_have(x: Tensor, columns: TabularConstraints, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Threat("Linf", 0.1, columns=columns).around(x)


def test_rows_and_shapes_must_fit() -> None:
    with pytest.raises(UsageError, match="eps has 3 rows, and x has 2"):
        Threat("Linf", torch.full((3,), 0.1)).around(rand(2, 4))
    with pytest.raises(UsageError, match=r"mask .* does not broadcast"):
        Threat("Linf", 0.1, mask=torch.ones(5)).around(rand(2, 4))
    with pytest.raises(UsageError, match="2 across in L2"):
        Threat("L2", 3.0).check(rand(2, 4))


@pytest.mark.parametrize(
    ("shape", "linf", "l2"),
    [
        ((28, 28, 1), 0.3, 1.5), ((8, 8, 2), 0.3, 1.5), ((29, 8, 1), 8 / 255, 0.5), ((112, 92, 1), 8 / 255, 0.5),
        ((28, 28, 3), 8 / 255, 0.5),
    ],
)  # fmt: skip
def test_what_is_usual_for_images_like_those_of_mnist_and_for_others(
    shape: tuple[int, int, int], linf: float, l2: float
) -> None:
    spec = ImageSpec(*shape, ("a", "b"), 10)
    assert (default_eps("Linf", spec), default_eps("L2", spec)) == (linf, l2)
    with pytest.raises(UsageError, match="no eps is usual in L1: give --eps"):
        default_eps("L1", spec)

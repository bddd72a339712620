from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, one_hot
from torchmetrics.functional.classification import multiclass_calibration_error

from sparring.measure.classifier.calibration import (
    Bin,
    ClassificationReport,
    PgdResult,
    calibration_error,
    confusion,
    reliability,
    temperature,
)
from sparring.stats.intervals import wilson_interval
from sparring.stats.proportion import Proportion


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [  # Newcombe 1998, "Two-sided confidence intervals for the single proportion", Table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_as_published(hits: int, of: int, low: float, high: float) -> None:
    assert wilson_interval(hits, of) == pytest.approx((low, high), abs=6e-5)


@settings(deadline=None)
@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilsons_interval_solves_its_equation_and_stays_in_0_to_1(found: tuple[int, int]) -> None:
    hits, of = found
    low, high = wilson_interval(hits, of)
    share = hits / of
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        if 0 < end < 1:  # |share - p| is 1.96 standard deviations of p
            assert abs(share - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / of), rel=1e-6)
    other = wilson_interval(of - hits, of)
    assert (1 - other[1], 1 - other[0]) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(("hits", "of"), [(0, 0), (-1, 4), (5, 4)])
def test_what_is_no_share(hits: int, of: int) -> None:
    with pytest.raises(ValueError, match="hits must be"):
        wilson_interval(hits, of)


def test_confusion_by_hand() -> None:
    table = confusion(torch.tensor([0, 1, 1, 2, 1]), torch.tensor([0, 0, 0, 2, 1]), 4)
    assert table.tolist() == [[1, 2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert confusion(torch.tensor([0, 2, 1]), torch.tensor([0, 0, 1]), 2, background=True).tolist() == [
        [1, 0, 1],
        [0, 1, 0],
    ]


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 3.0, 20.0])
def test_a_known_temperature_is_found_again(factor: float) -> None:
    torch.manual_seed(0)
    true = torch.randn(40_000, 5) * 2
    labels = torch.multinomial(true.softmax(1), 1).squeeze(1)
    assert temperature(true * factor, labels) == pytest.approx(factor, rel=0.04)


def test_the_temperature_is_where_the_slope_of_the_cross_entropy_is_0() -> None:
    torch.manual_seed(1)
    logits, labels = torch.randn(300, 4, dtype=torch.float64) * 5, torch.randint(4, (300,))
    logits += 4 * one_hot(labels, 4)
    found = torch.tensor(temperature(logits, labels), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(cross_entropy(logits / found, labels), found)
    assert abs(float(slope)) < 1e-7


def test_extremes_end_at_the_bounds() -> None:
    sure = one_hot(torch.arange(4)).float()
    assert temperature(sure, torch.arange(4)) == pytest.approx(1 / 50, rel=1e-3)  # always right: as sure as can be
    assert temperature(sure, (torch.arange(4) + 1) % 4) == pytest.approx(50, rel=1e-3)


def test_with_a_doubt_even_the_always_right_are_only_so_sure() -> None:
    sure, doubt = one_hot(torch.arange(4)).float(), 0.1
    wanted = 1 - doubt + doubt / 4  # of the right class: there the cross entropy with the doubtful labels is lowest
    assert 1 / temperature(sure, torch.arange(4), doubt) == pytest.approx(math.log(3 * wanted / (1 - wanted)), rel=1e-4)


def test_reliability_and_its_error_by_hand() -> None:
    p = torch.tensor([0.95, 0.91, 0.99, 0.55, 0.52, 0.0, 1.0])
    right = torch.tensor([True, True, False, True, False, False, True])
    curve = reliability(p, right)
    assert [one.count for one in curve] == [1, 2, 4]
    assert curve[1].confidence == pytest.approx(0.535) and curve[1].accuracy == 0.5
    assert curve[2].confidence == pytest.approx((0.95 + 0.91 + 0.99 + 1) / 4) and curve[2].accuracy == 0.75
    assert calibration_error(curve) == pytest.approx((2 * 0.035 + 4 * (0.9625 - 0.75)) / 7)
    assert calibration_error([]) == 0 and reliability(torch.empty(0), torch.empty(0, dtype=torch.bool)) == []


def test_the_calibration_error_is_that_of_torchmetrics() -> None:
    torch.manual_seed(0)
    p, labels = (torch.randn(500, 6) * 2).softmax(1), torch.randint(6, (500,))
    best, answers = p.max(1)
    expected = multiclass_calibration_error(p, labels, 6, n_bins=10, norm="l1")
    assert calibration_error(reliability(best, answers == labels)) == pytest.approx(float(expected), abs=1e-6)


def test_a_classification_comes_back_from_json() -> None:
    bare = ClassificationReport("r", "improved", 1.0, 9, 0, ("a", "b"), 1.0, "r/to_label.csv", ["odd"])
    assert ClassificationReport.from_json(json.loads(json.dumps({"format": 1, **asdict(bare)}))) == bare
    full = ClassificationReport(
        "r",
        "improved",
        1.0,
        9,
        0,
        ("a", "b"),
        1.0,
        "x",
        [],
        Proportion.count(1, 2),
        "y",
        [[1, 0], [1, 0]],
        [Bin(2, 0.5, 0.5)],
        0.1,
        3,
        [PgdResult(0.1, 20, Proportion.count(1, 2))],
    )
    assert ClassificationReport.from_json(json.loads(json.dumps(asdict(full)))) == full

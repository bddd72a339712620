from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch

from sparring.measure.boosting.comparison import TreeComparison
from sparring.measure.regression.report import RegressionReport, measure_number
from sparring.stats.intervals import Interval

Y = torch.arange(100.0)


def report(**fields: object) -> RegressionReport:
    values = {"run": "r", "recipe": "quantiles", "minutes": 1.0, "seed": 0, "examples": 80, "validation_examples": 10,
              "calibration_examples": 10, "coverage": 0.9}  # fmt: skip
    return RegressionReport(**{**values, **fields})  # type: ignore[arg-type]


def test_a_number_is_tested_beside_the_answer_without_a_model() -> None:
    test = measure_number("age", (Y + 1, Y - 1, Y + 2), Y, Y, 0.9)
    assert test.error.value == test.root_mean_square.value == 1 and test.covered.hits == 100
    assert test.constant_error.value == 25 and test.width.value == 3
    assert test.constant_width == pytest.approx(0.9 * 99) and test.gain.low > 0
    assert report(numbers=[test]).verdict == ""


def test_a_model_of_constants_has_learnt_nothing() -> None:
    constant = (torch.full_like(Y, 49.5), torch.full_like(Y, 4.95), torch.full_like(Y, 94.05))
    test = measure_number("age", constant, Y, Y, 0.9)
    assert abs(test.gain.value) < 1e-6 and test.covered.hits == 90
    assert "learnt nothing" in report(numbers=[test]).verdict


def test_a_report_survives_json() -> None:
    trees = TreeComparison("pinball loss", "network", 10, Interval(0.1, 0.0, 0.2), "5 test rows", 1.0, 0.9,
                           Interval(0.1, -0.1, 0.3))  # fmt: skip
    for full in (report(), report(numbers=[measure_number("age", (Y, Y, Y), Y, Y, 0.9)], trees=trees, notes=["n"])):
        assert RegressionReport.from_json({"format": 7, **json.loads(json.dumps(asdict(full)))}) == full

from dataclasses import asdict

import pytest
import torch

from sparring.stats.intervals import clopper_pearson_interval, normal_interval, wilson_interval
from sparring.stats.proportion import CurvePoint, Proportion


def test_a_count_has_its_value_and_interval() -> None:
    assert Proportion.count(3, 4) == Proportion(3, 4, *wilson_interval(3, 4))
    assert Proportion.count(3, 4).value == 0.75
    exact = Proportion.count(3, 4, "clopper-pearson")
    assert (exact.low, exact.high) == clopper_pearson_interval(3, 4) and exact.method == "clopper-pearson"
    with pytest.raises(ValueError, match="total 1 or more, not 0 of 0"):
        Proportion.count(0, 0)


def test_a_mean_of_probabilities() -> None:
    probabilities = torch.tensor([0.25, 0.75, 1.0], dtype=torch.float64)
    mean = Proportion.mean(probabilities)
    assert (mean.value, mean.total, mean.method) == (pytest.approx(2 / 3), 3, "normal")
    assert (mean.low, mean.high) == normal_interval(probabilities)
    assert str(mean).endswith(", 2 of 3")


def test_text() -> None:
    assert str(Proportion.count(1, 2)) == "50.0% (9.5% to 90.5%), 1 of 2"
    assert str(Proportion.count(1_000, 2_000)).endswith(", 1,000 of 2,000")
    assert Proportion.count(1, 2).text(2) == "50.00% (9.45% to 90.55%)"


def test_json_and_back() -> None:
    half = Proportion.count(1, 2)
    written = {"hits": 1, "total": 2, "low": half.low, "high": half.high, "method": "wilson", "value": 0.5}
    assert half.to_json() == written and Proportion.from_json(written) == half
    assert asdict(CurvePoint.count(0.3, 1, 2)) == {"eps": 0.3, "accuracy": written}
    with pytest.raises(KeyError, match="total"):
        Proportion.from_json({"hits": 1})

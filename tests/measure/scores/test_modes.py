import math

import pytest
import torch

from sparring.measure.scores.modes import class_divergence, mode_count


def test_modes_are_counted() -> None:
    predicted = torch.tensor([0, 0, 3, 3, 3, 7])
    result = mode_count(predicted)
    assert result.value == 3
    low, high = result.interval()
    assert low < 3 <= high  # 7 was seen once: it might as well have been missed


def test_frequent_modes_have_narrow_intervals() -> None:
    assert mode_count(torch.arange(10).repeat(50)).interval() == (10, 10)


def test_divergence_of_known_proportions() -> None:
    predicted = torch.tensor([0] * 30 + [1] * 10)
    counts = torch.tensor([500, 500])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert class_divergence(predicted, counts).value == pytest.approx(expected)
    assert class_divergence(torch.tensor([0, 1] * 20), counts).value == pytest.approx(0, abs=1e-12)


def test_collapse_to_half_the_classes_is_log_2() -> None:
    assert class_divergence(torch.arange(5).repeat(40), torch.full((10,), 100)).value == pytest.approx(math.log(2))


def test_a_class_missing_in_the_data_gives_a_finite_divergence() -> None:
    assert 3 < class_divergence(torch.tensor([2] * 10), torch.tensor([50, 50, 0])).value < 10

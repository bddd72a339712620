"""AUC with DeLong's interval: closed forms, coverage by simulation, folding."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from sparring.stats.auc import auc, folded, macro_auc
from sparring.stats.intervals import Interval


def two_columns(scores: np.ndarray) -> np.ndarray:
    return np.stack([-scores, scores], 1)


def test_auc_counts_ordered_pairs_with_ties_as_halves() -> None:
    scores, groups = np.array([0.0, 1.0, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 0, 1])
    assert macro_auc(two_columns(scores), groups).value == pytest.approx(
        (0.5 + 3 + 1) / 6
    )  # (1 vs 0, 1, 2), (3 vs all)
    assert macro_auc(np.zeros((5, 2)), groups).value == 0.5


def test_variance_is_delongs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 40), rng.normal(0, 1, 60)
    auc = macro_auc(two_columns(np.concatenate([b, a])), np.repeat([0, 1], [60, 40]))
    kernel = (a[:, None] > b).astype(float)
    variance = kernel.mean(1).var(ddof=1) / 40 + kernel.mean(0).var(ddof=1) / 60
    logit = math.log(auc.value / (1 - auc.value))
    half = 1.959964 * math.sqrt(variance) / (auc.value * (1 - auc.value))
    assert auc.high == pytest.approx(1 / (1 + math.exp(-logit - half)), abs=1e-12)


@pytest.mark.parametrize(("sizes", "truth"), [((50, 50), 0.5), ((100, 60), 0.75), ((200, 200), 0.97)])
def test_interval_covers(sizes: tuple[int, int], truth: float) -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat([0, 1], sizes)
    shift = NormalDist().inv_cdf(truth) * math.sqrt(2)
    intervals = [macro_auc(two_columns(rng.normal(shift * groups, 1)), groups) for _ in range(400)]
    assert 0.92 <= np.mean([each.low <= truth <= each.high for each in intervals]) <= 0.98


def test_perfect_order_has_an_interval_by_the_number_of_pairs() -> None:
    area = macro_auc(two_columns(np.arange(40.0)), np.repeat([0, 1], 20))
    assert (area.value, area.low, area.high) == (1, pytest.approx(0.025 ** (1 / 20)), 1)


def test_three_groups_give_the_mean_of_one_against_the_rest() -> None:
    groups = np.repeat([0, 1, 2], 30)
    scores = np.zeros((90, 3))
    scores[groups == 0, 0] = 1  # group 0 is recognised, the others are not told apart
    assert macro_auc(scores, groups).value == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_folding() -> None:
    assert folded(Interval(0.2, 0.1, 0.3)) == Interval(0.8, 0.7, 0.9)
    assert folded(Interval(0.45, 0.3, 0.55)) == Interval(0.55, 0.5, 0.7)
    assert folded(Interval(0.7, 0.6, 0.8)) == Interval(0.7, 0.6, 0.8)


def test_the_area_is_the_probability_of_the_right_order() -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0])
    pairs = [(y > x) + 0.5 * (y == x) for x in a for y in b]
    assert auc(a, b).value == pytest.approx(float(sum(pairs)) / 6)
    assert auc(a, a + 10).value == 1.0 and auc(a + 10, a).value == 0.0


def test_the_interval_of_two_sets_covers() -> None:
    """Normal scores one standard deviation apart: the area is Phi(1 / sqrt 2)."""
    true, rng, hits = 0.76025, np.random.default_rng(0), 0
    for _ in range(200):
        area = auc(rng.standard_normal(80), rng.standard_normal(60) + 1)
        hits += area.low <= true <= area.high
    assert hits >= 180

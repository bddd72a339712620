"""Conformance of all scores. A new measure needs a line in `MEASURES` and in `BETTER`."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sparring.measure.scores.scores import CLASS_MEASURE, MEASURES, VALUE_MEASURE, Measure, compute_scores, score_name

BETTER = {
    "fd": "low", "fd_infinity": "low", "kd": "low", "swd": "low",
    "precision": "high", "recall": "high", "density": "high", "coverage": "high",
}  # fmt: skip
DETECTS = {"far": set(BETTER) - {"recall"}, "collapsed": {"fd", "fd_infinity", "kd", "swd", "recall", "coverage"}}
"""Scores that get worse by each failure. Recall may or may not be 0 after a shift."""

every_measure = pytest.mark.parametrize("measure", [*MEASURES, VALUE_MEASURE], ids=lambda m: m.names[0])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


DATA = normal(300, 6)
SAMPLES = {
    "good": normal(300, 6, seed=1),
    "far": normal(300, 6, seed=1) + 1,
    "collapsed": normal(300, 6, seed=1) * 0.05,
}


def values(measure: Measure, x: Tensor, y: Tensor = DATA) -> dict[str, float]:
    return {name: e.value for name, e in zip(measure.names, measure.compute(x, y), strict=True)}


@every_measure
def test_worse_samples_score_worse(measure: Measure) -> None:
    good = values(measure, SAMPLES["good"])
    for how, detecting in DETECTS.items():
        bad = values(measure, SAMPLES[how])
        for name in detecting & set(measure.names):
            assert bad[name] < good[name] if BETTER[name] == "high" else bad[name] > good[name], (how, name)


@every_measure
def test_row_order_does_not_matter(measure: Measure) -> None:
    shuffled = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    ordered, permuted = values(measure, SAMPLES["good"]), values(measure, SAMPLES["good"][shuffled], DATA[shuffled])
    # fd_infinity draws halves: it may differ by less than the width of its interval
    tolerance = 0.2 if "fd_infinity" in measure.names else 1e-5
    assert permuted == pytest.approx(ordered, abs=tolerance)


@every_measure
@pytest.mark.parametrize("x", [DATA, torch.ones(300, 6), SAMPLES["good"]], ids=["itself", "constant", "good"])
def test_values_are_finite_and_inside_their_interval(measure: Measure, x: Tensor) -> None:
    for estimate, (low_bound, high_bound) in zip(measure.compute(x, DATA), measure.bounds, strict=True):
        low, high = estimate.interval(least=low_bound, most=high_bound)
        assert math.isfinite(estimate.value) and low_bound - 1e-4 <= estimate.value <= high_bound
        assert low <= estimate.value + 1e-6 and estimate.value <= high + 1e-6


@every_measure
def test_fewer_rows_have_wider_intervals(measure: Measure) -> None:
    many = [e.interval() for e in measure.compute(SAMPLES["far"], DATA)]
    few = [e.interval() for e in measure.compute(SAMPLES["far"][:75], DATA[:75])]
    assert sum(high - low for low, high in few) > 1.3 * sum(high - low for low, high in many)


@pytest.mark.slow
@pytest.mark.parametrize("measure", [MEASURES[0], MEASURES[1], MEASURES[2], VALUE_MEASURE], ids=lambda m: m.names[0])
@pytest.mark.parametrize(("n", "d", "shift", "scale"), [(300, 8, 0.3, 1.0), (200, 4, 0.1, 1.3), (200, 16, 0.2, 0.8)])
def test_intervals_cover(measure: Measure, n: int, d: int, shift: float, scale: float) -> None:
    """Coverage is 90 to 98 % for nominal 95 %, up to the error of 150 draws; `test_prdc` checks the others.

    Intervals cover the mean of the score at this N, and for `fd_infinity` the true distance of the two Gaussians.
    """
    estimates = [
        measure.compute(normal(n, d, seed=2 * k) * scale + shift, normal(n, d, seed=2 * k + 1))[0] for k in range(150)
    ]
    truth = sum(e.value for e in estimates) / len(estimates)
    if measure.names == ("fd_infinity",):
        truth = d * shift**2 + d * (scale - 1) ** 2
    inside = [low <= truth <= high for low, high in (e.interval(seed=k) for k, e in enumerate(estimates))]
    assert 0.88 <= sum(inside) / len(inside) <= 0.995


def test_names_contain_the_features() -> None:
    assert score_name("fd", "trained-1a2b") == "fd[trained-1a2b]"
    assert score_name("kd", "inception-2015") == "kid[inception-2015]"
    assert score_name("fd", "inception-beef", "cat") == "fid[inception-beef]/cat"


def test_warnings_on_too_few_rows() -> None:
    few, wide = normal(40, 30), normal(20, 30, seed=1)
    result, warnings = compute_scores(MEASURES, few, wide, (few, wide), "net")
    assert not result
    assert any("fd[net]: left out, 30 features need 32 samples" in w for w in warnings)
    assert any("precision[net] recall[net]" in w and "50 samples" in w and "there are 40 and 20" in w for w in warnings)
    result, warnings = compute_scores(MEASURES[:1], normal(60, 30), normal(60, 30, seed=1), (few, wide), "net")
    assert [score.real_baseline for score in result] == [None]  # too few real rows for a baseline
    assert "rough, there are 60 and 60; use 300 samples" in warnings[0]


def test_enough_rows_give_no_warning() -> None:
    x, y = normal(1200, 3), normal(1200, 3, seed=1)
    result, warnings = compute_scores([*MEASURES, CLASS_MEASURE], x, y, (y, x), "net")
    assert not warnings and len(result) == 8
    assert all(score.real_baseline is not None for score in result)

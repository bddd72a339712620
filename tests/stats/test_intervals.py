import math

import pytest
import torch

from sparring.stats.intervals import (
    Estimate,
    binomial_test,
    clopper_pearson_interval,
    clopper_pearson_lower,
    normal_interval,
    resampled_means,
    wilson_interval,
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(5, 10, 0.1871, 0.8129), (0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (81, 263, 0.2527, 0.3676)],
)
def test_clopper_pearson_as_published(hits: int, of: int, low: float, high: float) -> None:
    assert clopper_pearson_interval(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_of_many_too() -> None:
    low, high = clopper_pearson_interval(5_000, 10_000)
    assert low == pytest.approx(0.5 - 1.96 * 0.005, abs=1e-4) and high == pytest.approx(1 - low, abs=1e-9)
    with pytest.raises(ValueError, match="3 of 2"):
        clopper_pearson_interval(3, 2)


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (1, 1), (0, 100), (3, 7), (81, 263), (999, 1000), (5000, 10_000)])
def test_as_scipy_computes_them(hits: int, total: int) -> None:
    scipy = pytest.importorskip("scipy.stats")
    test = scipy.binomtest(hits, total)
    assert wilson_interval(hits, total) == pytest.approx(tuple(test.proportion_ci(method="wilson")), abs=1e-7)
    assert clopper_pearson_interval(hits, total) == pytest.approx(tuple(test.proportion_ci(method="exact")), abs=1e-9)
    assert binomial_test(hits, total) == pytest.approx(test.pvalue, abs=1e-9)
    lower = scipy.binomtest(hits, total, alternative="greater").proportion_ci(0.999, method="exact").low
    assert clopper_pearson_lower(hits, total, 0.001) == pytest.approx(lower, abs=1e-9)


def test_the_normal_interval_of_a_mean_stays_within_0_and_1() -> None:
    values = torch.tensor([0.25, 0.75] * 50, dtype=torch.float64)
    half = 1.959964 * (0.0625 * 100 / 99) ** 0.5 / 10
    assert normal_interval(values) == pytest.approx((0.5 - half, 0.5 + half))
    assert normal_interval(torch.ones(5)) == (1.0, 1.0) and normal_interval(torch.tensor([0.3])) == (0.0, 1.0)


def test_a_lower_bound_on_one_side() -> None:
    assert clopper_pearson_lower(0, 10, 0.05) == 0
    assert clopper_pearson_lower(1, 10, 0.05) == pytest.approx(1 - 0.95**0.1)
    assert clopper_pearson_lower(100_000, 100_000, 0.001) == pytest.approx(0.001**1e-5, abs=1e-9)
    assert clopper_pearson_lower(99_000, 100_000, 0.001) == pytest.approx(
        0.9889893403774748, abs=1e-11
    )  # scipy's beta.ppf


def test_a_fair_coin() -> None:
    assert binomial_test(10, 10) == pytest.approx(2 / 2**10)
    assert binomial_test(1, 4) == binomial_test(3, 4) == pytest.approx(10 / 16)
    assert binomial_test(5, 10) == binomial_test(0, 0) == 1


def test_the_bootstrap_of_a_mean_is_its_standard_error() -> None:
    values = normal(500)
    spread = float(resampled_means(values).std())
    assert spread == pytest.approx(float(values.std()) / math.sqrt(500), rel=0.1)


def test_an_interval_adds_what_both_sides_leave_open() -> None:
    x, y = normal(1000), normal(250, seed=1) * 2
    low, high = Estimate(3.0, x - x.mean(), y - y.mean()).interval()
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(1 / 1000 + 4 / 250), rel=0.12)
    assert low < 3 < high
    assert Estimate(3.0, x, y).interval(least=2.99, most=3.01) == (2.99, 3.01)


@pytest.mark.slow
def test_it_covers_a_difference_of_means() -> None:
    hits = 0
    for k in range(400):
        x, y = normal(60, seed=2 * k).exp(), normal(40, seed=2 * k + 1)
        low, high = Estimate(float(x.mean() - y.mean()), x - x.mean(), y.mean() - y).interval(seed=k)
        hits += low <= math.exp(0.5) <= high
    assert 0.88 <= hits / 400 <= 0.98  # of a skewed mean of 60: the bootstrap is known to fall a little short

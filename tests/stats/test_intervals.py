import math

import pytest
import torch

from sparring.stats.intervals import Estimate, binomial_interval, binomial_lower, binomial_test, resampled_means


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(5, 10, 0.1871, 0.8129), (0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (81, 263, 0.2527, 0.3676)],
)
def test_clopper_pearson_as_published(hits: int, of: int, low: float, high: float) -> None:
    assert binomial_interval(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_of_many_too() -> None:
    low, high = binomial_interval(5_000, 10_000)
    assert low == pytest.approx(0.5 - 1.96 * 0.005, abs=1e-4) and high == pytest.approx(1 - low, abs=1e-9)
    with pytest.raises(ValueError, match="3 of 2"):
        binomial_interval(3, 2)


def test_a_lower_bound_on_one_side() -> None:
    assert binomial_lower(0, 10, 0.05) == 0
    assert binomial_lower(1, 10, 0.05) == pytest.approx(1 - 0.95**0.1)
    assert binomial_lower(100_000, 100_000, 0.001) == pytest.approx(0.001**1e-5, abs=1e-9)
    assert binomial_lower(99_000, 100_000, 0.001) == pytest.approx(0.9889893403774748, abs=1e-11)  # scipy's beta.ppf


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

"""The block bootstrap: exact for constants, calibrated for dependent values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparring.stats.block_bootstrap import block_interval, block_proportion
from sparring.stats.intervals import wilson_interval


def autoregressive(count: int, rho: float, seed: int) -> torch.Tensor:
    """Return values of mean 0 that depend on the one before."""
    noise = np.random.default_rng(seed).standard_normal(count)
    values = np.zeros(count)
    for k in range(1, count):
        values[k] = rho * values[k - 1] + noise[k]
    return torch.from_numpy(values)


def test_constants_have_no_width() -> None:
    interval = block_interval(torch.full((10,), 3.0), 4)
    assert (interval.value, interval.low, interval.high) == pytest.approx((3.0, 3.0, 3.0))


@pytest.mark.parametrize(("rho", "block"), [(0.0, 1), (0.0, 7), (0.7, 25)])
def test_intervals_cover_the_mean(rho: float, block: int) -> None:
    intervals = [block_interval(autoregressive(501, rho, seed), block) for seed in range(200)]
    covered = sum(each.low <= 0 <= each.high for each in intervals)
    assert covered >= 0.86 * len(intervals)


def test_single_values_are_too_sure_where_values_depend() -> None:
    values = autoregressive(1000, 0.9, 0)
    single, blocks = (block_interval(values, block) for block in (1, 50))
    assert blocks.high - blocks.low > 2 * (single.high - single.low)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_proportions_without_variation_have_an_interval(value: float) -> None:
    interval = block_proportion(torch.full((100,), value), 10)
    assert (interval.low, interval.high) == pytest.approx(wilson_interval(int(10 * value), 10))


def test_other_proportions_are_bootstrapped() -> None:
    values = torch.tensor([0.0, 1, 1, 0, 1, 0, 0, 1])
    assert block_proportion(values, 2) == block_interval(values, 2)


def test_more_than_all_in_a_block_is_all() -> None:
    values = torch.arange(5.0)
    assert block_interval(values, 9) == block_interval(values, 5)


@pytest.mark.parametrize(("count", "block"), [(0, 1), (3, 0)])
def test_no_values_and_no_blocks_are_refused(count: int, block: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        block_interval(torch.zeros(count), block)

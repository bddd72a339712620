from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.measure.regression.conformal import calibration_size, conformal_correction, rows_needed

GENERATOR = torch.Generator().manual_seed(0)


def ends(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full_like(y, -0.5), torch.full_like(y, 0.5)


@given(st.integers(1, 60), st.floats(0.05, 0.95))
@settings(max_examples=200, deadline=None)
def test_the_correction_holds_the_rank_that_the_theorem_needs(rows: int, coverage: float) -> None:
    y = torch.randn(rows, 1, generator=GENERATOR, dtype=torch.float64)
    correction = float(conformal_correction(*ends(y), y, coverage))
    rank = math.ceil((rows + 1) * coverage - 1e-9)
    assert math.isinf(correction) == (rank > rows) == (rows < rows_needed(coverage))
    if rank <= rows:
        assert int((y.abs() - 0.5 <= correction).sum()) == rank


@pytest.mark.parametrize(("coverage", "rows"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_rows_needed(coverage: float, rows: int) -> None:
    assert rows_needed(coverage) == rows


@pytest.mark.parametrize(("most", "coverage", "rows"), [(33, 0.9, 29), (2000, 0.9, 1999), (9, 0.9, 9), (50, 0.8, 49),
                                                        (4, 0.8, 4), (1, 0.5, 1)])  # fmt: skip
def test_calibration_rows_of_which_the_mean_coverage_is_least_above(most: int, coverage: float, rows: int) -> None:
    assert calibration_size(most, coverage) == rows


@pytest.mark.parametrize("rows", [9, 40, 199])
def test_fresh_rows_are_held_as_often_as_promised_whatever_the_distribution(rows: int) -> None:
    """The mean coverage of many calibrations is between 90 % and 90 % + 1 / (rows + 1) (Theorem 1)."""
    trials, fresh = 2000, 50
    draws = torch.distributions.Gamma(0.5, 1.0)
    torch.manual_seed(0)
    held = []
    for _ in range(trials):
        y, new = draws.sample((rows, 1)), draws.sample((fresh, 1))
        correction = conformal_correction(*ends(y), y, 0.9)
        low, high = ends(new)
        held.append(float(((low - correction <= new) & (new <= high + correction)).double().mean()))
    mean = torch.tensor(held, dtype=torch.float64)
    error = 4 * float(mean.std()) / trials**0.5
    assert 0.9 - error <= float(mean.mean()) <= 0.9 + 1 / (rows + 1) + error


def test_wide_intervals_shrink_and_each_number_has_its_own_correction() -> None:
    y = torch.arange(19.0)[:, None].repeat(1, 2) / 19
    low, high = torch.tensor([-10.0, 0.0]).expand(19, 2), torch.tensor([10.0, 0.5]).expand(19, 2)
    wide, narrow = conformal_correction(low, high, y, 0.9).tolist()
    assert wide < -9 and narrow == pytest.approx(17 / 19 - 0.5)

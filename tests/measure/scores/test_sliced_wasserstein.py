import math

import pytest
import torch

from sparring.measure.scores.sliced_wasserstein import sliced_estimate, sliced_wasserstein


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_permuted_set_has_distance_0() -> None:
    x = normal(50, 3, 4, 4)
    assert sliced_wasserstein(x, x) == 0
    assert sliced_wasserstein(x, x[torch.randperm(50, generator=torch.Generator().manual_seed(1))]) == pytest.approx(
        0, abs=1e-12
    )


def test_symmetric_and_repeatable() -> None:
    x, y = normal(40, 6), normal(40, 6, seed=1) * 2
    assert sliced_wasserstein(x, y) == sliced_wasserstein(y, x) == sliced_wasserstein(x, y)
    assert sliced_wasserstein(x, y, seed=1) != sliced_wasserstein(x, y)


def test_a_shift_by_its_length_over_the_square_root_of_d() -> None:
    """Each projection moves by <v, direction>; the mean of |<v, direction>| on the sphere is |v| times this."""
    d = 48
    mean = math.gamma(d / 2) / (math.sqrt(math.pi) * math.gamma((d + 1) / 2))
    x = normal(200, 3, 4, 4)
    shift = normal(3, 4, 4, seed=2)
    expected = float(shift.norm()) * mean
    assert sliced_wasserstein(x, x + shift, directions=20_000) == pytest.approx(expected, rel=0.02)


def test_a_known_distance_in_one_dimension() -> None:
    x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[5.0], [3.0], [4.0]])
    assert sliced_wasserstein(x, y) == pytest.approx(3.0)
    assert sliced_wasserstein(x, y * 2 - 3) == pytest.approx(math.sqrt((9 + 16 + 25) / 3))


def test_gaussians_of_two_widths() -> None:
    """N(0, 1) and N(0, 3): the distance of each projection is |3 - 1|."""
    x, y = normal(20_000, 4), normal(20_000, 4, seed=1) * 3
    assert sliced_wasserstein(x, y, directions=32) == pytest.approx(2, rel=0.05)


def test_the_number_of_values_does_not_matter() -> None:
    few, many = (sliced_wasserstein(torch.zeros(8, d), torch.ones(8, d), directions=4096) for d in (64, 4096))
    assert few == pytest.approx(many, rel=0.05) and few == pytest.approx(math.sqrt(2 / math.pi), rel=0.05)


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        sliced_wasserstein(torch.zeros(3, 2), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="one shape"):
        sliced_wasserstein(torch.zeros(3, 2), torch.zeros(3, 5))


def test_chunks_do_not_matter() -> None:
    x, y = normal(30, 5000), normal(30, 5000, seed=1)  # 5000 values: 838 rows at once
    whole = sliced_wasserstein(x, y, directions=40)
    parts = sliced_wasserstein(x.repeat(40, 1), y.repeat(40, 1), directions=40)
    assert whole == pytest.approx(parts, rel=1e-12)


def test_the_estimate_is_the_same_distance() -> None:
    x, y = normal(60, 3, 4, 4), normal(60, 3, 4, 4, seed=1) + 0.3
    assert sliced_estimate(x, y).value == pytest.approx(sliced_wasserstein(x, y), rel=1e-12)


def test_influence_is_the_change_by_a_row() -> None:
    """Drawing a row more often changes the distance by its influence."""
    x, y = normal(400, 2), normal(400, 2, seed=1) * 1.5 + 1
    estimate = sliced_estimate(x, y)
    rows = torch.arange(400).repeat(9)
    for row in (3, 50):
        extra = torch.cat([rows, torch.full((36,), row)])  # a hundredth of the weight
        moved = sliced_wasserstein(x[extra], y[torch.arange(len(extra)) % 400])
        same = sliced_wasserstein(x[rows], y[rows])
        assert moved - same == pytest.approx(float(estimate.x[row]) * 36 / len(extra), abs=2e-3)

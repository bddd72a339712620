from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sparring.measure.scores import knn
from sparring.measure.scores.knn import count_earlier_within, nearest_neighbours
from sparring.measure.scores.prdc import precision_recall_density_coverage

K = 5


def squared(a: Tensor, b: Tensor) -> Tensor:
    return (a.double()[:, None] - b.double()[None]).square().sum(2)


def by_definition(x: Tensor, y: Tensor, k: int = K) -> list[float]:
    """Compute the scores by their definitions, over all pairs, in float64."""
    radius_x = squared(x, x).fill_diagonal_(torch.inf).sort(1).values[:, k - 1]
    radius_y = squared(y, y).fill_diagonal_(torch.inf).sort(1).values[:, k - 1]
    in_x, in_y = squared(x, y) <= radius_x[:, None], squared(x, y) <= radius_y
    values = [
        in_y.any(1).sum() / len(x),
        in_x.any(0).sum() / len(y),
        in_y.sum() / (k * len(x)),
        in_y.any(0).sum() / len(y),
    ]
    return [float(value) for value in values]


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def lattice(n: int, d: int, seed: int) -> Tensor:
    """Draw integers far from 0: every second distance is a tie, which rounding would break."""
    return torch.randint(3, (n, d), generator=torch.Generator().manual_seed(seed)).float() + 1000


def outlier(n: int, d: int, seed: int) -> Tensor:
    rows = normal(n, d, seed)
    rows[0] *= 1e4
    return rows


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "TILE_ROWS", 64)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("draw", [normal, lattice, outlier])
@pytest.mark.parametrize(("n", "m", "d"), [(150, 210, 6), (64, 70, 300), (129, 20, 1)])
def test_scores_equal_their_definition(
    draw: Callable[[int, int, int], Tensor], n: int, m: int, d: int, dtype: torch.dtype
) -> None:
    x, y = draw(n, d, 0).to(dtype), draw(m, d, 1).to(dtype)
    result = precision_recall_density_coverage(x, y, K)
    assert [estimate.value for estimate in result] == pytest.approx(by_definition(x, y), abs=1e-6)
    for estimate in result:
        assert (len(estimate.x), len(estimate.y)) == (n, m)
        assert float(estimate.x.mean()) == pytest.approx(0, abs=1e-9)
        assert float(estimate.y.mean()) == pytest.approx(0, abs=1e-9)


@pytest.mark.usefixtures("small_tiles")
def test_repeated_rows_have_balls_of_radius_0() -> None:
    y = normal(100, 4, 0)[:20].repeat(6, 1)  # Each row 6 times: the 5th neighbour is a copy.
    same = precision_recall_density_coverage(y[:40], y, K)
    assert (same.precision.value, same.coverage.value) == (1, 1)
    difference = precision_recall_density_coverage(y[:40] + 1e-3, y, K)
    assert (difference.precision.value, difference.coverage.value) == (0, 0)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("exclude_self", [True, False])
@pytest.mark.parametrize("k", [1, 7])
@pytest.mark.parametrize("offset", [0, 300])
def test_nearest_neighbours_equal_sorting_all_distances(exclude_self: bool, k: int, offset: int) -> None:
    base = normal(200, 5, 0) + offset
    queries = base if exclude_self else normal(90, 5, 1) + offset
    distances = squared(queries, base).sqrt()
    if exclude_self:
        distances.fill_diagonal_(torch.inf)
    values, rows = distances.sort(1)
    result, found_rows = nearest_neighbours(queries, base, k, exclude_self=exclude_self)
    assert torch.equal(result, values[:, :k])
    assert torch.equal(found_rows, rows[:, :k])


def test_copies_are_neighbours_and_rows_are_not_their_own() -> None:
    rows = torch.cat([normal(30, 3, 0), normal(30, 3, 0)]) + 100
    distances, result = nearest_neighbours(rows, rows, exclude_self=True)
    assert torch.equal(result[:, 0], (torch.arange(60) + 30) % 60)
    assert not distances.any()


@pytest.mark.usefixtures("small_tiles")
def test_count_earlier_within() -> None:
    rows = torch.arange(200.0)[:, None]
    assert count_earlier_within(rows, 2).tolist() == [0, 1] + [2] * 198
    assert count_earlier_within(rows, 0).sum() == 0
    assert count_earlier_within(torch.ones(70, 3), 0).sum() == 70 * 69 // 2


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="need 14 rows or more of both, not 13 and 50"):
        precision_recall_density_coverage(normal(13, 2, 0), normal(50, 2, 1))
    with pytest.raises(ValueError, match="base of 6 rows or more, not 5"):
        nearest_neighbours(normal(5, 2, 0), normal(5, 2, 0), 5, exclude_self=True)


def test_interval_of_a_proportion_of_1_is_not_empty() -> None:
    x, y = normal(100, 2, 0) * 0.01, normal(100, 2, 1)
    precision = precision_recall_density_coverage(x, y).precision
    low, high = precision.interval(least=0, most=1)
    assert precision.value == high == 1
    assert 0.95 < low < 0.995


def equal(x: Tensor) -> Tensor:
    return x


def shifted(x: Tensor) -> Tensor:
    return x + torch.eye(x.shape[1])[0]


def narrower(x: Tensor) -> Tensor:
    return x * 0.7


@pytest.mark.slow
@pytest.mark.parametrize("changed", [equal, shifted, narrower])
@pytest.mark.parametrize(("n", "m", "d"), [(200, 200, 2), (400, 200, 4), (300, 300, 8)])
def test_intervals_cover(changed: Callable[[Tensor], Tensor], n: int, m: int, d: int) -> None:
    """Coverage is 90 to 98 % for nominal 95 %, up to the error of 100 simulations.

    A proportion so near to 1 that no row may be missing is always covered; of density the width is tested.
    """
    generator = torch.Generator().manual_seed(0)
    values, ends = [], []
    for _ in range(100):
        x, y = changed(torch.randn(n, d, generator=generator)), torch.randn(m, d, generator=generator)
        result = precision_recall_density_coverage(x, y, K)
        values.append([estimate.value for estimate in result])
        ends.append([estimate.interval(least=0) for estimate in result])
    target = torch.tensor(values).mean(0)
    low, high = torch.tensor(ends).unbind(2)
    covered = ((low <= target) & (target <= high)).double().mean(0)
    too_wide = (high - low).mean(0) / 3.92 / torch.tensor(values).std(0)
    print(changed.__name__, n, m, d, *(f"{float(value):.3f}" for value in (*target, *covered, *too_wide)))
    assert (covered >= 0.86).all()
    assert 0.8 < too_wide[2] < 1.3

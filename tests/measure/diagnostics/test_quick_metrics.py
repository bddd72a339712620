"""Cheap figures against their plain definitions, and images that leak."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparring.measure.diagnostics.augmentation_leaks import TURNS, Leak, leaks
from sparring.measure.diagnostics.quick_metrics import coverage, nearest_other, twins, variety, wins


def rows(count: int, seed: int = 0, dims: int = 5) -> Tensor:
    return torch.randn(count, dims, generator=torch.Generator().manual_seed(seed))


def test_coverage_is_the_plain_definition() -> None:
    x, y = rows(40), rows(30, 1)
    hits = 0
    for k, point in enumerate(y):
        others = sorted(float((point - other).norm()) for j, other in enumerate(y) if j != k)
        hits += min(float((point - sample).norm()) for sample in x) <= others[4]
    assert math.isclose(coverage(x, y), hits / 30, abs_tol=1e-6)
    assert coverage(y, y) == 1
    assert coverage(y + 100, y) == 0
    assert math.isnan(coverage(x, y[:5]))


def test_variety_is_one_for_data_and_nothing_for_a_single_thing() -> None:
    x, y = rows(500), rows(500, 1)
    assert 0.9 < variety(x, y) < 1.1
    assert variety(y[:1].expand(500, -1) + x * 1e-3, y) < 0.01


def test_nearest_other_is_not_itself() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0]])
    assert nearest_other(x).tolist() == [1, 1, 2]


def test_wins_count_ties_half() -> None:
    assert wins(torch.tensor([1.0, 2.0]), torch.tensor([0.0])) == 1
    assert wins(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])) == 0.125
    assert wins(torch.zeros(3), torch.zeros(4)) == 0.5


def test_the_birthday_test_counts_distinct_samples() -> None:
    y, few = rows(400), rows(20, 1)
    x = few[torch.randint(20, (400,), generator=torch.Generator().manual_seed(2))]
    share, distinct = twins(x, y)
    assert share > 0.95
    assert 15 < distinct < 25
    share, distinct = twins(rows(400, 3), y)
    assert share < 0.05
    assert distinct > 10_000


def shapes(count: int, seed: int) -> Tensor:
    """Bright corners in the upper left, no two alike."""
    x = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 0.2 - 1
    x[:, :, :4, :4] += 1 + torch.rand(count, 1, 1, 1, generator=torch.Generator().manual_seed(seed + 1)) * 0.5
    return x


def found(samples: Tensor) -> list[str]:
    looked = [leak for leak in leaks(samples, shapes(200, 0), shapes(300, 5)) if leak.certain]
    return [leak.how for leak in looked]


def test_samples_like_the_data_leak_nothing_and_nor_does_noise() -> None:
    assert not found(shapes(300, 9))
    assert not found(torch.rand(300, 1, 8, 8) * 2 - 1)


def test_each_way_of_turning_is_found() -> None:
    for how, turn in TURNS.items():
        x = shapes(300, 9)
        x[:100] = turn(x[:100])
        assert how in found(x), how


def test_what_is_symmetric_is_not_turned() -> None:
    x = [shapes(n, seed) for n, seed in ((300, 1), (200, 3), (300, 5))]
    samples, fresh, train = (each + each.flip(3) + 1 for each in x)
    assert not [leak for leak in leaks(samples, fresh, train) if leak.how == "mirrored" and leak.certain]


def test_sides_that_differ_are_not_exchanged() -> None:
    x = torch.rand(50, 1, 8, 6)
    assert not [leak for leak in leaks(x, x, x) if "90" in leak.how or "270" in leak.how]


def test_a_handful_of_samples_is_no_proof() -> None:
    assert not Leak("mirrored", 0.9, 0.0, 20, 200).certain
    assert Leak("mirrored", 0.9, 0.0, 200, 200).certain

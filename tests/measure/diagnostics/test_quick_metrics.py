"""Quick metrics against their definitions, and augmentation leaks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparring.measure.diagnostics.augmentation_leaks import TRANSFORMS, Leak, augmentation_leaks
from sparring.measure.diagnostics.quick_metrics import coverage, near_duplicates, nearest_other, variety, win_rate


def rows(count: int, seed: int = 0, dims: int = 5) -> Tensor:
    return torch.randn(count, dims, generator=torch.Generator().manual_seed(seed))


def test_coverage_equals_its_definition() -> None:
    x, y = rows(40), rows(30, 1)
    hits = 0
    for k, point in enumerate(y):
        others = sorted(float((point - other).norm()) for j, other in enumerate(y) if j != k)
        hits += min(float((point - sample).norm()) for sample in x) <= others[4]
    assert math.isclose(coverage(x, y), hits / 30, abs_tol=1e-6)
    assert coverage(y, y) == 1
    assert coverage(y + 100, y) == 0
    assert math.isnan(coverage(x, y[:5]))


def test_variety_is_one_for_data_and_zero_for_one_sample() -> None:
    x, y = rows(500), rows(500, 1)
    assert 0.9 < variety(x, y) < 1.1
    assert variety(y[:1].expand(500, -1) + x * 1e-3, y) < 0.01


def test_nearest_other_excludes_the_row() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0]])
    assert nearest_other(x).tolist() == [1, 1, 2]


def test_win_rate_counts_ties_half() -> None:
    assert win_rate(torch.tensor([1.0, 2.0]), torch.tensor([0.0])) == 1
    assert win_rate(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])) == 0.125
    assert win_rate(torch.zeros(3), torch.zeros(4)) == 0.5


def test_near_duplicates_estimate_distinct_samples() -> None:
    y, few = rows(400), rows(20, 1)
    x = few[torch.randint(20, (400,), generator=torch.Generator().manual_seed(2))]
    fraction, distinct = near_duplicates(x, y)
    assert fraction > 0.95
    assert 15 < distinct < 25
    fraction, distinct = near_duplicates(rows(400, 3), y)
    assert fraction < 0.05
    assert distinct > 10_000


def shapes(count: int, seed: int) -> Tensor:
    """Draw images with a bright upper left corner, all different."""
    x = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 0.2 - 1
    x[:, :, :4, :4] += 1 + torch.rand(count, 1, 1, 1, generator=torch.Generator().manual_seed(seed + 1)) * 0.5
    return x


def detected(samples: Tensor) -> list[str]:
    significant = [leak for leak in augmentation_leaks(samples, shapes(200, 0), shapes(300, 5)) if leak.significant]
    return [leak.transform for leak in significant]


def test_data_and_noise_do_not_leak() -> None:
    assert not detected(shapes(300, 9))
    assert not detected(torch.rand(300, 1, 8, 8) * 2 - 1)


def test_each_transform_is_detected() -> None:
    for name, transform in TRANSFORMS.items():
        x = shapes(300, 9)
        x[:100] = transform(x[:100])
        assert name in detected(x), name


def test_symmetric_images_do_not_leak() -> None:
    x = [shapes(n, seed) for n, seed in ((300, 1), (200, 3), (300, 5))]
    samples, held_out, train = (each + each.flip(3) + 1 for each in x)
    assert not [
        leak
        for leak in augmentation_leaks(samples, held_out, train)
        if leak.transform == "mirrored" and leak.significant
    ]


def test_non_square_images_are_not_rotated_by_90_degrees() -> None:
    x = torch.rand(50, 1, 8, 6)
    assert not [leak for leak in augmentation_leaks(x, x, x) if "90" in leak.transform or "270" in leak.transform]


def test_few_samples_are_not_significant() -> None:
    assert not Leak("mirrored", 0.9, 0.0, 20, 200).significant
    assert Leak("mirrored", 0.9, 0.0, 200, 200).significant

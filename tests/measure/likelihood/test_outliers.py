"""Outlier scores: the area under the curve, and the sizes of simple and complex images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparring.measure.likelihood.outliers import auroc, batch_means, png_bits


def test_the_area_is_the_probability_of_the_right_order() -> None:
    a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0])
    pairs = [(y > x) + 0.5 * (y == x) for x in a for y in b]
    assert auroc(a, b)[0] == pytest.approx(float(sum(pairs)) / 6)
    assert auroc(a, a + 10)[0] == 1.0 and auroc(a + 10, a)[0] == 0.0


def test_the_interval_covers() -> None:
    """Normal scores one standard deviation apart: the area is Phi(1 / sqrt 2)."""
    true, generator, hits = 0.76025, torch.Generator().manual_seed(0), 0
    for _ in range(200):
        a, b = torch.randn(80, generator=generator), torch.randn(60, generator=generator) + 1
        _, low, high = auroc(a, b)
        hits += low <= true <= high
    assert hits >= 180


def test_smooth_images_have_fewer_bits_than_noise() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([np.zeros((16, 16, 3)), np.full((16, 16, 3), 200), rng.integers(0, 256, (16, 16, 3))])
    bits = png_bits(rows.astype(np.uint8))
    assert bits[0] == 0 and bits[1] < 100 and bits[2] > 7 * 16 * 16 * 3


def test_means_of_batches_keep_the_mean() -> None:
    means = batch_means(torch.arange(100.0), 10)
    assert means.shape == (10,) and float(means.mean()) == pytest.approx(49.5)

"""Outlier scores: the sizes of simple and complex images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparring.measure.likelihood.outliers import batch_means, png_bits


def test_smooth_images_have_fewer_bits_than_noise() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([np.zeros((16, 16, 3)), np.full((16, 16, 3), 200), rng.integers(0, 256, (16, 16, 3))])
    bits = png_bits(rows.astype(np.uint8))
    assert bits[0] == 0 and bits[1] < 100 and bits[2] > 7 * 16 * 16 * 3


def test_means_of_batches_keep_the_mean() -> None:
    means = batch_means(torch.arange(100.0), 10)
    assert means.shape == (10,) and float(means.mean()) == pytest.approx(49.5)

import numpy as np
import pytest

from sparring.measure.features.row_statistics import MAX_SIDE, flat_values, row_statistics


def images(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 3), (5, 1, 4), (33, 70, 3)])
def test_each_row_alone_and_of_any_size(shape: tuple[int, int, int]) -> None:
    rows = images((6, *shape))
    whole = row_statistics(rows)
    assert whole.dtype == np.float32 and np.isfinite(whole).all()
    np.testing.assert_allclose(row_statistics(rows[2:3]), whole[2:3], rtol=1e-4, atol=1e-5)


def test_values_of_large_images_are_means_of_blocks() -> None:
    rows = images((2, 70, 64, 3))
    values = flat_values(rows).reshape(2, 24, 22, 3)
    assert max(values.shape[1:3]) <= MAX_SIDE
    np.testing.assert_allclose(values[:, 0, 0], rows[:, :3, :3].mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(values[:, -1, -1], rows[:, 69:, 63:].mean((1, 2)), rtol=1e-5)
    assert (flat_values(rows[:, :9, :9]) == rows[:, :9, :9].reshape(2, -1)).all()


def test_faint_noise_changes_residuals_more_than_the_content_does() -> None:
    ramp = np.arange(16)[:, None] * np.ones(16) * 8 + np.arange(50)[:, None, None]
    clean = ramp[..., None].astype(np.uint8)
    noisy = (clean + np.random.default_rng(0).integers(0, 3, clean.shape)).astype(np.uint8)
    a, b = row_statistics(clean), row_statistics(noisy)
    assert (np.abs(a.mean(0) - b.mean(0)) > 5 * (a.std(0) + b.std(0) + 1e-3)).sum() > 10


def test_rows_of_values() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    assert flat_values(rows).shape == (5, 7) and row_statistics(rows).shape == (5, 6)
    assert row_statistics(rows[:, :1]).shape == (5, 4)

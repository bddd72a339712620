from collections.abc import Callable

import numpy as np
import pytest
import torch

from sparring.measure.diagnostics.memorisation import memorisation
from sparring.measure.diagnostics.near_copies import Index


def images(count: int, seed: int, side: int = 16) -> np.ndarray:
    """Smooth random images: noise, averaged over 4x4 pixels."""
    x = np.random.default_rng(seed).integers(0, 256, (count, side + 3, side + 3, 3)).astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(x, (4, 4), (1, 2))
    return windows.mean((4, 5)).astype(np.uint8)


TRAINING, HELD_OUT, FRESH = images(600, 0), images(400, 1), images(400, 2)
INDEX = Index.of(TRAINING.__getitem__, len(TRAINING))


def distances(rows: np.ndarray) -> torch.Tensor:
    return INDEX.relative_distances(rows.__getitem__, np.arange(len(rows)))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: np.roll(x, (1, -2), (1, 2)),
        lambda x: x[:, :, ::-1],
        lambda x: np.roll(x[:, :, ::-1], 1, 1),
        lambda x: (x * 0.6 + 40).astype(np.uint8),
        lambda x: (x + np.random.default_rng(3).normal(0, 2, x.shape)).clip(0, 255).astype(np.uint8),
    ],
)
def test_one_percent_of_changed_copies_is_detected(change: Callable[[np.ndarray], np.ndarray]) -> None:
    samples = FRESH.copy()
    samples[:4] = change(TRAINING[50:54])  # of 400
    near = distances(samples)
    assert float(near[:4].max()) < 0.05 < float(near[4:].min())
    features = torch.randn(3, 400, 8, generator=torch.Generator().manual_seed(0))
    result = memorisation(features[0], features[1], features[2], aligned=(near, distances(HELD_OUT)))
    assert result.copied_fraction == pytest.approx(0.01, abs=0.006)
    assert "About 1.0% of them are copies" in result.message


def test_real_images_are_not_copies() -> None:
    near, held_out = distances(FRESH), distances(HELD_OUT)
    features = torch.randn(3, 400, 8, generator=torch.Generator().manual_seed(0))
    for part in range(4):
        idx = torch.arange(part, 400, 4)
        assert memorisation(features[0], features[1], features[2], aligned=(near[idx], held_out)).copied_fraction == 0


def test_a_training_image_is_no_copy_of_itself() -> None:
    own = INDEX.relative_distances(TRAINING.__getitem__, np.arange(100), exclude_self=True)
    assert float(own.min()) > 0.1


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 3), (80, 33, 1)])
def test_any_size(shape: tuple[int, int, int]) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (30, *shape), np.uint8)
    rows[0] = 7  # constant
    near = Index.of(rows.__getitem__, len(rows)).relative_distances(rows.__getitem__, np.arange(30))
    assert near.shape == (30,) and bool(torch.isfinite(near).all())

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from speaking import speak

import sparring


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty labelled images of 8x8 with a test split: class k is bright in row k."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = rng.integers(0, 60, (60, 8, 8), np.uint8)
    x[np.arange(60), y] += 180
    path = tmp_path_factory.mktemp("data") / "rows.npz"
    np.savez(path, x_train=x[:48], y_train=y[:48], x_test=x[48:], y_test=y[48:])
    return path


@pytest.fixture(scope="session")
def run(data: Path) -> sparring.Run:
    """A short run of tiny networks."""
    recipe = sparring.R3(width=8, batch_size=8)
    return sparring.train(data, recipe, images=4_800, out=data.parent / "run", device="cpu")


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three words that are tones, as wav files."""
    return speak(tmp_path_factory.mktemp("words") / "words")

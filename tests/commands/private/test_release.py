"""The release of moments: its sensitivity, and how close it comes to the moments of the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sparring
from sparring.commands.private.release import COUNT_WEIGHT, open_images, release_moments
from sparring.commands.reporting.progress import Progress
from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import UsageError
from sparring.games.moments import MomentCritic
from sparring.privacy.ledger import Budget
from sparring.privacy.secret import SecretNoise

QUIET = Progress(quiet=True)


class NoNoise(SecretNoise):
    """A key without noise, for the sums before it."""

    def normal(self, shape: tuple[int, ...], *purpose: str | int) -> Any:
        return np.zeros(shape)


def critic_of(spec: Any) -> MomentCritic:
    recipe = sparring.Moments(frequencies=30, orientations=2)
    critic = recipe.nets(spec)["critic"]
    assert isinstance(critic, MomentCritic)
    return critic


def images(count: int, path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (count, 8, 8)).astype(np.uint8)
    x[-1] = 255  # the last row is unlike all others
    np.savez(path, x_train=x, y_train=np.arange(count) % 2)
    return path


def sums(path: Path) -> torch.Tensor:
    data = open_images(str(path), ReadOptions(), QUIET)
    critic = critic_of(data.spec)
    release_moments(data, critic, Budget(1.0, 1e-5), NoNoise(b"k" * 32), QUIET)
    counts = critic.class_counts[:, None]
    own = critic.moments.flatten(1) * counts * (1 - COUNT_WEIGHT**2) ** 0.5
    return torch.cat([own, COUNT_WEIGHT * counts], 1).double()


def test_a_row_changes_the_release_by_1_at_most(tmp_path: Path) -> None:
    x = np.load(images(41, tmp_path / "more.npz"))
    np.savez(tmp_path / "less.npz", x_train=x["x_train"][:40], y_train=x["y_train"][:40])
    changed = sums(tmp_path / "more.npz") - sums(tmp_path / "less.npz")
    assert float(changed.norm()) == pytest.approx(1.0, abs=1e-4)
    assert changed[1].abs().max() < 1e-4  # row 40 is of class 0


def test_moments_and_counts_come_with_the_stated_noise(tmp_path: Path) -> None:
    data = open_images(str(images(400, tmp_path / "x.npz")), ReadOptions(), QUIET)
    clean, noisy = critic_of(data.spec), critic_of(data.spec)
    release_moments(data, clean, Budget(1.0, 1e-5), NoNoise(b"k" * 32), QUIET)
    ledger = release_moments(data, noisy, Budget(1.0, 1e-5), SecretNoise(b"k" * 32), QUIET)
    assert clean.class_counts.tolist() == [200, 200] and noisy.class_counts.tolist() != [200, 200]
    differences = (noisy.moments * noisy.class_counts[:, None, None] - clean.moments * 200).flatten()
    noise = ledger.releases[0].noise
    assert noise is not None and float(differences.std()) == pytest.approx(noise / 0.98, rel=0.2)
    assert ledger.epsilon() == pytest.approx(1.0, rel=1e-4)


def test_a_random_split_is_not_made(tmp_path: Path) -> None:
    """It would be another one with one row more, so that neighbours would differ in many rows."""
    path = images(50, tmp_path / "x.npz")
    assert len(sparring.open(str(path))) == len(open_images(str(path), ReadOptions(), QUIET)) == 50
    folder = tmp_path / "folder"
    for k, row in enumerate(np.load(path)["x_train"]):
        (folder / str(k % 2)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(row).save(folder / str(k % 2) / f"{k}.png")
    assert len(sparring.open(str(folder))) <= len(open_images(str(folder), ReadOptions(), QUIET)) == 50


def test_a_range_of_the_rows_is_refused(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 8, 8, 1)).astype(np.float32) * 1000
    np.savez(tmp_path / "floats.npz", x_train=x, y_train=np.arange(20) % 2)
    if sparring.open(str(tmp_path / "floats.npz")).spec.scale is None:
        pytest.skip("this array is not scaled")
    with pytest.raises(UsageError, match="scaled by the range of all"):
        open_images(str(tmp_path / "floats.npz"), ReadOptions(), QUIET)

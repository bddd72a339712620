"""Secret noise: its distribution, its repetition by purpose, and where its key lies."""

import os
import platform

import numpy as np
import pytest

from sparring.engine.errors import SparringError
from sparring.engine.run_folder import SECRETS
from sparring.privacy.secret import KEY_FILE, SecretNoise


def test_noise_is_standard_normal():
    x = SecretNoise(b"k" * 32).normal((200_000,), "test")
    assert abs(x.mean()) < 4 / np.sqrt(len(x))
    assert x.var() == pytest.approx(1, abs=4 * np.sqrt(2 / len(x)))
    assert (x**4).mean() == pytest.approx(3, abs=4 * np.sqrt(96 / len(x)))
    assert (np.abs(x) < 1.96).mean() == pytest.approx(0.95, abs=0.003)


def test_uniform_numbers_are_open_at_both_ends():
    u = SecretNoise(b"k" * 32).uniform((50_000, 2), "test")
    assert u.shape == (50_000, 2)
    assert 0 < u.min() < 1e-3 and 1 - 1e-3 < u.max() < 1
    assert np.histogram(u, 10, (0, 1))[0] == pytest.approx(10_000, rel=0.06)


def test_a_purpose_has_the_same_noise_and_another_has_other(tmp_path):
    noise = SecretNoise.create(tmp_path)
    again = SecretNoise.load(tmp_path)
    first = noise.normal((4,), "step", 1)
    assert (first == again.normal((4,), "step", 1)).all()
    assert not np.isclose(first, noise.normal((4,), "step", 2)).any()
    assert not np.isclose(first, noise.normal((4,), "step1")).any()
    other = SecretNoise.create(tmp_path / "other")
    assert not np.isclose(first, other.normal((4,), "step", 1)).any()
    assert noise.digest("data") == again.digest("data") != other.digest("data")


def test_only_the_owner_reads_the_key(tmp_path):
    noise = SecretNoise.create(tmp_path)
    folder = tmp_path / SECRETS
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert noise.key.hex() not in repr(noise)
    with pytest.raises(SparringError):  # a key is never replaced
        SecretNoise.create(tmp_path)
    assert SecretNoise.load(tmp_path) == noise


def test_a_run_without_its_key_is_refused(tmp_path, monkeypatch):
    with pytest.raises(SparringError, match=r"is gone, or .* copied without it.*second release.*another --out"):
        SecretNoise.load(tmp_path)
    SecretNoise.create(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(platform, "node", lambda: "elsewhere")
        with pytest.raises(SparringError, match=r"another machine.*continue there"):
            SecretNoise.load(tmp_path)
    (tmp_path / SECRETS / KEY_FILE).write_text("{}")
    with pytest.raises(SparringError, match="damaged"):
        SecretNoise.load(tmp_path)

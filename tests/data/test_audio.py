"""Recordings in folders and archives: what is read, what it is called, and what is refused."""

from __future__ import annotations

import builtins
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from speaking import RATE, speak, tone, write_wav

from sparring.data.audio import as_wav, on_grid, open_sounds
from sparring.engine.errors import SparringError, UsageError


def test_words_by_name_and_takes_zero_to_four_for_testing(tmp_path: Path) -> None:
    found = open_sounds(speak(tmp_path / "words", takes=7))
    assert found.words == ("high", "low", "middle") and found.rate == RATE and len(found) == 42
    assert [found.words[k] for k in found.labels] == [name.split("_")[0] for name in found.names]
    assert found.test.sum() == 30 and len(found.split("train")) == 12
    for wave, length in zip(found.waves, found.lengths, strict=True):
        assert not wave[length:].any() and wave[:length].any() and np.abs(wave).max() <= 1


def test_a_zip_is_read_as_its_folder(tmp_path: Path) -> None:
    folder = speak(tmp_path / "words", takes=6)
    with zipfile.ZipFile(tmp_path / "words.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"recordings/{file.name}")
    packed, plain = open_sounds(tmp_path / "words.zip"), open_sounds(folder)
    assert np.array_equal(packed.waves, plain.waves) and packed.words == plain.words


def test_words_by_folder_and_the_folder_test(tmp_path: Path) -> None:
    for split, word in (("train", "yes"), ("train", "no"), ("test", "yes"), ("test", "no")):
        write_wav(tmp_path / split / word / "1.wav", tone(500))
    found = open_sounds(tmp_path)
    assert found.words == ("no", "yes")
    assert [name for name, test in zip(found.names, found.test, strict=True) if test] == [
        "test/no/1.wav",
        "test/yes/1.wav",
    ]


def test_without_takes_one_in_ten_of_each_word_is_for_testing(tmp_path: Path) -> None:
    for word in ("yes", "no"):
        for k in range(20):
            write_wav(tmp_path / word / f"{k}.wav", tone(500))
    found = open_sounds(tmp_path)
    assert [int(found.test[found.labels == k].sum()) for k in (0, 1)] == [2, 2]


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = tone(500)
    write_wav(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], 1).reshape(-1), channels=2)
    np.testing.assert_allclose(open_sounds(tmp_path / "a.wav").waves[0], left / 2, atol=1e-4)


def test_what_cannot_be_used_is_left_out_and_named(tmp_path: Path) -> None:
    write_wav(tmp_path / "good_1.wav", tone(500))
    write_wav(tmp_path / "silent_1.wav", np.zeros(800))
    write_wav(tmp_path / "empty_1.wav", np.zeros(0))
    write_wav(tmp_path / "long_1.wav", tone(500, seconds=11))
    (tmp_path / "odd_1.wav").write_bytes(b"no sound at all")
    soundfile.write(tmp_path / "nan_1.wav", np.full(800, np.nan, np.float32), RATE, subtype="FLOAT")
    found = open_sounds(tmp_path)
    assert found.names == ("good_1.wav",)
    reason = {one.name.split("_")[0]: one.reason for one in found.skipped}
    assert reason["silent"] == "is silent throughout" and reason["empty"] == "is empty"
    assert "11 s" in reason["long"] and "damaged" in reason["odd"] and "not finite" in reason["nan"]


def test_other_rates_are_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a_1.wav", tone(500))
    write_wav(tmp_path / "b_1.wav", tone(500), rate=16000)
    with pytest.raises(UsageError, match=r"8,000 and 16,000 Hz \(b_1.wav, say\): bring them to one rate"):
        open_sounds(tmp_path)


def test_nothing_usable(tmp_path: Path) -> None:
    with pytest.raises(SparringError, match=r"no sounds in .*: wav, flac or ogg files are looked for"):
        open_sounds(tmp_path)
    write_wav(tmp_path / "a_1.wav", np.zeros(0))
    with pytest.raises(SparringError, match=r"no usable sound in .*: a_1.wav is empty"):
        open_sounds(tmp_path)
    with pytest.raises(UsageError, match="mnist are images: give wav"):
        open_sounds("mnist")
    with pytest.raises(UsageError, match="unknown split 'tset'"):
        write_wav(tmp_path / "a_1.wav", tone(500))
        open_sounds(tmp_path).split("tset")


def test_without_soundfile_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wav(tmp_path / "a_1.wav", tone(500))
    real = builtins.__import__

    def missing(name: str, scope: Mapping[str, Any] | None = None, local: Mapping[str, Any] | None = None,
                parts: Sequence[str] | None = (), level: int = 0) -> Any:  # fmt: skip
        if name == "soundfile":
            raise ImportError(name)
        return real(name, scope, local, parts or (), level)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SparringError, match=r"pip install 'sparring\[audio\]'"):
        open_sounds(tmp_path)


def test_a_wav_keeps_what_is_on_the_grid() -> None:
    wave = on_grid(2 * torch.rand(1000, generator=torch.Generator().manual_seed(0)) - 1)
    assert torch.equal(on_grid(wave), wave)
    back, rate = soundfile.read(io.BytesIO(as_wav(wave.numpy(), RATE)), dtype="float32")
    assert rate == RATE and np.array_equal(back, wave.numpy())

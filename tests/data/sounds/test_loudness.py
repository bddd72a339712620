"""The full scale of recordings: the same waveform in every number type comes out the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.sounds.loudness import full_scales, mixed

RATE = 8_000


def waves(count: int, seed: int = 0, loud: float = 0.7) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 4) / RATE
    return [loud * np.sin(2 * np.pi * rng.uniform(200, 900) * t) * rng.uniform(0.4, 1) for _ in range(count)]


def save(folder: Path, name: str, samples: NDArray[np.generic], subtype: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / name, samples, RATE, subtype=subtype)


def rows(data: Dataset) -> NDArray[np.int16]:
    every = data.split(None)
    order = np.argsort([name.rpartition("/")[2] for name in every.names])
    return every[np.arange(len(every))][order]


@pytest.mark.parametrize("form", ["float of 16 bits", "float of 24 bits", "low 16 of 32", "low 16 of 24", "24", "32"])
@pytest.mark.parametrize("beside", [False, True])
def test_every_number_type_gives_the_same_waveform(form: str, beside: bool, tmp_path: Path) -> None:
    plain = waves(6)
    for k, wave in enumerate(plain):
        save(tmp_path / "plain", f"{'ab'[k % 2]}/{k}.wav", wave, "PCM_16")
        if beside and k % 2:  # half of them in the usual form
            save(tmp_path / "set", f"b/{k}.wav", wave, "PCM_16")
        elif form.startswith("float"):
            bits = int(form.split()[2])
            save(tmp_path / "set", f"{'ab'[k % 2]}/{k}.wav", (wave * 2 ** (bits - 1)).astype(np.float32), "FLOAT")
        elif form.startswith("low"):
            shift = {"32": 0, "24": 8}[form.split()[-1]]  # soundfile takes the upper bits of an int32
            subtype = f"PCM_{form.split()[-1]}"
            samples = np.round(wave * 32767).astype(np.int32) << shift
            save(tmp_path / "set", f"{'ab'[k % 2]}/{k}.wav", samples, subtype)
        else:
            save(tmp_path / "set", f"{'ab'[k % 2]}/{k}.wav", wave, f"PCM_{form}")
    want, data = rows(open_source(tmp_path / "plain")), open_source(tmp_path / "set")
    assert np.abs(rows(data).astype(int) - want).max() <= 2
    told = [note for note in data.notes if "full scale" in note]
    assert len(told) == (form not in ("24", "32"))
    assert (data.spec.full_scale is None) == (not told)


@pytest.mark.parametrize("top", [1.02, 1.3, 4.0, 60.0])
def test_floats_that_pass_1_are_scaled_by_their_peak_also_later(top: float, tmp_path: Path) -> None:
    every = [wave / 0.7 * top for wave in waves(8)]
    every[0] *= top / np.abs(every[0]).max()
    for k, wave in enumerate(every):
        save(tmp_path / "set", f"{'ab'[k % 2]}/{k}.wav", wave, "FLOAT")
    data = open_source(tmp_path / "set")
    assert data.spec.full_scale == pytest.approx(top, rel=1e-3)
    assert np.abs(rows(data).astype(int)).max() in (32767, 32768)
    save(tmp_path / "new", "5.wav", every[5], "FLOAT")
    new = open_source(tmp_path / "new", like=data.spec)
    assert np.array_equal(rows(new)[0], rows(data)[5]) and new.spec.full_scale == data.spec.full_scale


def test_a_hair_beyond_1_is_clipped_without_a_word() -> None:
    assert full_scales({0: ("FLOAT", 1.001), 3: ("DOUBLE", 0.2), 4: ("PCM_24", 0.5)}) == {}
    assert full_scales({0: ("FLOAT", 0.9), 3: ("FLOAT", 30_000.0), 4: ("PCM_24", 0.5)}) == {3: 2.0**15}
    assert full_scales({0: ("FLOAT", 0.9), 1: ("FLOAT", 2.0)}, like=3.0) == {0: 3.0, 1: 3.0}
    assert full_scales({}) == {}


@pytest.mark.parametrize("seed", range(4))
def test_channels_that_cancel_each_other_are_not_averaged(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    wave = waves(1, seed)[0]
    anti, other = np.stack([wave, -wave * rng.uniform(0.97, 1)], 1), np.stack([wave, wave * 0.3], 1)
    assert np.array_equal(mixed(anti)[0], wave) and mixed(anti)[1]
    assert np.allclose(mixed(other)[0], wave * 0.65) and not mixed(other)[1]
    for k in range(3):
        save(tmp_path / "set", f"a/{k}.wav", anti * (k + 1) / 3, "PCM_16")
        save(tmp_path / "set", f"b/{k}.wav", other * (k + 1) / 3, "PCM_16")
    data = open_source(tmp_path / "set")
    assert data.report.used == 6
    assert any("3 of 6 recordings have channels that cancel each other" in note for note in data.notes)


def test_the_recording_that_makes_all_long_is_named(tmp_path: Path) -> None:
    for k, wave in enumerate(waves(8)):
        save(tmp_path / "set", f"{'ab'[k % 2]}/{k}.wav", np.tile(wave, 9 if k == 3 else 1), "PCM_16")
    (note,) = [note for note in open_source(tmp_path / "set").notes if "padded" in note]
    assert "padded to the longest, 2.2 s (b/3.wav): half of them last at most 0.2 s" in note


def test_nearly_silent_recordings_are_told(tmp_path: Path) -> None:
    for k, wave in enumerate(waves(6)):
        save(tmp_path / "set", f"{'ab'[k % 2]}/{k}.wav", wave * (3e-4 if k % 2 else 1), "PCM_16")
    notes = open_source(tmp_path / "set").notes
    assert any("3 of 6 recordings are nearly silent, with a peak below -60 dB" in note for note in notes)


@pytest.mark.parametrize("ending", ["au", "caf", "w64", "aiff", "mp3", "flac", "ogg"])
def test_formats_of_libsndfile_are_read(ending: str, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for k, wave in enumerate(waves(4)):
        soundfile.write(tmp_path / "set" / f"{k}.{ending}", wave, RATE)
    data = open_source(tmp_path / "set")
    assert (data.report.kind, data.report.used, data.skipped) == ("audio", 4, {})

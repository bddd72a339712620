"""Recordings in folders and archives: what is read, what it is called, and what is refused."""

from __future__ import annotations

import builtins
import io
import resource
import subprocess
import sys
import wave
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from speaking import RATE, speak, tone, write_wav

from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.sounds.audio_io import quantize, resample
from sparring.engine.data_spec import AudioSpec, ImageSpec
from sparring.engine.errors import SparringError, UsageError


def everything(source: Path | str, **options: Any) -> Dataset:
    return open_source(source, **options).split(None)


def test_words_by_name_and_takes_zero_to_four_for_testing(tmp_path: Path) -> None:
    data = everything(speak(tmp_path / "words", takes=7))
    assert isinstance(data.spec, AudioSpec)
    assert data.spec.classes == ("high", "low", "middle") and data.spec.rate == RATE and len(data) == 42
    assert [data.spec.classes[k] for k in data.labels] == [name.split("_")[0] for name in data.names]
    assert len(data.split("test")) == 30 and len(data.split("train")) == 12
    assert data.notes == [
        "held out for testing: takes 0 to 4 of each WORD_SPEAKER_TAKE",
    ]
    assert data.lengths is not None
    waves = data[np.arange(42)]
    assert waves.dtype == np.int16 and waves.shape == (42, data.spec.length)
    assert data.spec.length == data.lengths.max()
    for samples, length in zip(waves, data.lengths, strict=True):
        assert not samples[length:].any() and samples[:length].any()
    some = data.select(np.array([5, 3]))
    assert some.names == [data.names[5], data.names[3]] and some.lengths is not None
    assert (some.lengths == data.lengths[[5, 3]]).all() and (some[np.arange(2)] == waves[[5, 3]]).all()


def test_a_zip_is_read_as_its_folder(tmp_path: Path) -> None:
    folder = speak(tmp_path / "words", takes=6)
    with zipfile.ZipFile(tmp_path / "words.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"recordings/{file.name}")
    packed, plain = everything(tmp_path / "words.zip"), everything(folder)
    idx = np.arange(len(plain))
    assert np.array_equal(packed[idx], plain[idx]) and packed.spec == plain.spec


def test_words_by_folder_and_the_folder_test(tmp_path: Path) -> None:
    for k, (split, word) in enumerate((("train", "yes"), ("train", "no"), ("test", "yes"), ("test", "no"))):
        write_wav(tmp_path / split / word / "1.wav", tone(500 + 10 * k))
    data = everything(tmp_path)
    assert data.spec.classes == ("no", "yes")
    assert data.split("test").names == ["test/no/1.wav", "test/yes/1.wav"]


def test_without_takes_one_in_ten_of_each_word_is_for_testing(tmp_path: Path) -> None:
    for word in ("yes", "no"):
        for k in range(20):
            write_wav(tmp_path / word / f"{k}.wav", tone(500 + k + 100 * len(word)))
    assert everything(tmp_path).split("test").class_counts == (2, 2)


def test_without_words_recordings_are_unlabelled(tmp_path: Path) -> None:
    for k in range(3):
        write_wav(tmp_path / f"rec{k}.wav", tone(500 + k))
    data = everything(tmp_path)
    assert data.spec.classes == () and data.report.unlabelled == 3


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = tone(500)
    write_wav(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], 1).reshape(-1), channels=2)
    data = everything(tmp_path / "a.wav")
    np.testing.assert_allclose(data.spec.encode(data[np.arange(1)])[0, 0], left / 2, atol=1e-4)


def test_every_format_that_the_library_reads(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for k, form in enumerate(("wav", "flac", "ogg", "mp3")):
        soundfile.write(folder / f"a_{k}.{form}", tone(300 + 50 * k, seconds=0.5), RATE)
    data = everything(folder)
    assert len(data) == 4 and data.skipped == {}
    pitches = [np.abs(np.fft.rfft(w, 2 * RATE)).argmax() / 2 for w in data[np.arange(4)]]
    assert pitches == pytest.approx([300, 350, 400, 450], abs=2)


def test_what_cannot_be_used_is_skipped_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write_wav(folder / "good_1.wav", tone(500))
    write_wav(folder / "good_2.wav", tone(500))
    write_wav(folder / "silent_1.wav", np.zeros(800))
    write_wav(folder / "empty_1.wav", np.zeros(0))
    write_wav(folder / "long_1.wav", tone(500, seconds=11))
    (folder / "odd_1.wav").write_bytes(b"no sound at all")
    (folder / "notes.txt").write_text("said by Ada")
    soundfile.write(folder / "nan_1.wav", np.full(800, np.nan, np.float32), RATE, subtype="FLOAT")
    data = everything(folder)
    assert data.names == ["good_1.wav"]
    assert data.skipped == {
        "is a duplicate of another file": ["good_2.wav"],
        "is silent throughout": ["silent_1.wav"],
        "is empty": ["empty_1.wav"],
        "lasts 11 s, more than the 10 s that a recording may": ["long_1.wav"],
        "is damaged, or no sound file": ["odd_1.wav"],
        "holds values that are not finite": ["nan_1.wav"],
        "is no sound that is read here (.txt)": ["notes.txt"],
    }
    assert data.spec.length == len(tone(500))  # not that of what was skipped


def test_several_rates_are_brought_to_the_most_common(tmp_path: Path) -> None:
    for k in range(3):
        write_wav(tmp_path / f"a_{k}.wav", tone(500 + k))
    high = np.sin(2 * np.pi * 700 * np.arange(11025 // 2) / 11025)
    write_wav(tmp_path / "b_0.wav", high, rate=11025)
    data = everything(tmp_path)
    assert data.spec.rate == RATE and data.report.shapes_found == {"8,000 Hz": 3, "11,025 Hz": 1}
    assert "recordings were resampled to 8,000 Hz: 1 of 11,025 Hz" in data.notes
    (b,) = data[np.array([data.names.index("b_0.wav")])]
    assert np.abs(np.fft.rfft(b, RATE)).argmax() == pytest.approx(700, abs=2)


def test_new_recordings_are_read_as_the_model_learnt_them(tmp_path: Path) -> None:
    like = everything(speak(tmp_path / "words", takes=6)).spec
    write_wav(tmp_path / "new.wav", tone(500, rate=16000), rate=16000)
    data = everything(tmp_path / "new.wav", like=like)
    assert (data.spec.rate, data.spec.length) == (like.rate, like.length)
    long = everything(tmp_path / "new.wav", like=AudioSpec(RATE, 100, (), 1))
    assert long.spec.length == len(tone(500)) and "those that the model was trained on 0.01 s" in long.notes[-1]


def test_the_wrong_kind_is_said(tmp_path: Path) -> None:
    folder = speak(tmp_path / "words", takes=1)
    with pytest.raises(UsageError, match=r"holds recordings \(6 sound files\), the model was trained on images"):
        open_source(folder, like=ImageSpec(8, 8, 1, (), 1))
    with pytest.raises(UsageError, match=r"--size is for images, and the source is read as recordings"):
        open_source(folder, ReadOptions(size=(8, 8)))
    with pytest.raises(SparringError, match=r"holds 6 x .wav. Images, .* are read"):
        open_source(folder, ReadOptions(kind="image"))
    with pytest.raises(SparringError, match=r"holds 1 x .txt. Sounds in .wav, .flac, .ogg and .mp3 are read"):
        (tmp_path / "texts").mkdir()
        (tmp_path / "texts" / "a.txt").write_text("a")
        open_source(tmp_path / "texts", ReadOptions(kind="audio"))
    with pytest.raises(UsageError, match="unknown kind 'smell'"):
        open_source(folder, ReadOptions(kind="smell"))


def test_nothing_usable(tmp_path: Path) -> None:
    write_wav(tmp_path / "a_1.wav", np.zeros(0))
    with pytest.raises(SparringError, match=r"none of 1 recordings can be read \(the first: a_1.wav is empty\)"):
        open_source(tmp_path)
    with pytest.raises(UsageError, match="unknown split 'tset'"):
        write_wav(tmp_path / "a_1.wav", tone(500))
        open_source(tmp_path).split("tset")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on memory there")
def test_ten_hours_are_refused_without_reading_them(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"")
    size = 10 * 3600 * 8000 * 2
    with open(path, "r+b") as raw:  # a sparse file, with the size in its header
        head = bytearray(raw.read(44))
        head[4:8], head[40:44] = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
        raw.seek(0)
        raw.write(head)
        raw.truncate(44 + size)
    code = f"from sparring.data.open import open_source\nopen_source({str(tmp_path)!r})"
    limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (400 << 20, 400 << 20))  # noqa: E731
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limit)
    assert "lasts 36,000 s, more than the 10 s that a recording may" in done.stderr


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
        open_source(tmp_path)


def test_a_wav_keeps_16_bits() -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 1000, dtype=np.int16)
    content = io.BytesIO()
    soundfile.write(content, samples, RATE, format="WAV", subtype="PCM_16")
    content.seek(0)
    back, rate = soundfile.read(content, dtype="float32")
    assert rate == RATE and np.array_equal(quantize(back), samples)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]), st.sampled_from([8000, 16000, 44100]))
def test_resampling_keeps_a_tone(rate: int, target: int) -> None:
    pitch, seconds = 600, 0.5
    envelope = np.hanning(int(rate * seconds))
    x = (np.sin(2 * np.pi * pitch * np.arange(len(envelope)) / rate) * envelope).astype(np.float32)
    y = resample(x, rate, target)
    assert len(y) == -(-len(x) * target // rate)
    expected = np.interp(np.arange(len(y)) / target, np.arange(len(x)) / rate, envelope)
    wanted = np.sin(2 * np.pi * pitch * np.arange(len(y)) / target) * expected
    assert np.abs(y - wanted).max() < 2e-3

"""Sounds through the command line: train on words, sample wav files that are read as words again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import Cli
from tests.kinds import write_words

import sparring
from sparring.engine.sound_io import is_marked_wav
from sparring.measure.scores.evaluation import Evaluation
from sparring.nets.mel_codec import to_pictures


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_words(tmp_path_factory.mktemp("sounds"))


@pytest.fixture(scope="module")
def run(words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    recipe = sparring.R3(width=4, batch_size=8, latent_dim=8)
    sparring.train(words, recipe, images=64, out=out, device="cpu")
    return out


def test_a_run_has_frames_of_spectrograms_a_page_and_finite_metrics(run: Path) -> None:
    trained = sparring.Run(run)
    assert trained.frames() and trained.real_path.exists() and trained.report_path.exists()
    last = [line for line in trained.metrics() if "sliced_wasserstein" in line][-1]
    assert (all(np.isfinite(value) for value in last.values()) and "win" in last) or "train_win" in last


def test_samples_are_wav_files_named_by_their_words(run: Path, words: Path, tmp_path: Path) -> None:
    folder = sparring.sample(run, 9, out=tmp_path / "made")
    assert isinstance(folder, Path)
    files = sorted(folder.iterdir())
    assert len(files) == 9 and all(is_marked_wav(path) for path in files)
    made = sparring.open(folder)
    assert made.spec.kind == "audio" and set(made.spec.classes) <= set(sparring.open(words).spec.classes)
    contents = [hashlib.sha256(path.read_bytes()).digest() for path in files]
    again = sparring.sample(run, 9, out=folder)  # the same files: nothing is written beside them
    assert sorted(again.iterdir()) == files  # type: ignore[union-attr]
    assert [hashlib.sha256(path.read_bytes()).digest() for path in files] == contents


def test_one_word_and_arrays_and_other_files(run: Path, tmp_path: Path) -> None:
    folder = sparring.sample(run, 3, label="low", out=tmp_path / "low")
    assert isinstance(folder, Path) and all(path.name.startswith("low_") for path in folder.iterdir())
    array = np.load(sparring.sample(run, 3, out=tmp_path / "x.npz"))["arr_0"]  # type: ignore[arg-type]
    assert array.dtype == np.int16 and array.shape == (3, sparring.load(run).spec.length)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine.wav").write_bytes(b"RIFF")
    with pytest.raises(sparring.UsageError, match=r"holds other files \(mine.wav\)"):
        sparring.sample(run, 3, out=tmp_path / "other")
    with pytest.raises(sparring.UsageError, match="samples of recordings are written as a folder"):
        sparring.sample(run, 3, out=tmp_path / "x.csv")
    with Image.open(sparring.sample(run, 6, out=tmp_path / "x.png")) as image:  # type: ignore[arg-type]
        assert np.asarray(image).std() > 1  # spectrograms


def test_settings_of_images_are_refused(words: Path, quick: Cli) -> None:
    done = quick("train", words, "--images", 64, "--augment", "ada")
    assert done.returncode == 2 and "--augment ada is for images" in done.stderr


def test_a_run_and_a_folder_of_samples_are_evaluated(run: Path, words: Path, tmp_path: Path) -> None:
    result = sparring.evaluate(run, n=40, features="raw")
    assert isinstance(result, Evaluation)
    names = {score.name for score in result.kind_scores}
    assert names == {"recognised", "tstr_accuracy", "length", "pitch", "loudness"}
    assert "swd[values]" in {score.name for score in result.scores}
    page = (run / "report.html").read_text()
    assert "nearest training recording" in page and "data:audio/wav" in page and "recognised" in page
    folder = sparring.sample(run, 40, out=tmp_path / "made")
    assert isinstance(folder, Path)
    other = sparring.evaluate(folder, words, features="raw")
    assert isinstance(other, Evaluation) and {score.name for score in other.kind_scores} == names


def test_wide_and_stereo_files_and_other_rates_give_the_same_pictures(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    t = np.arange(8000) / 16_000
    wave = 0.4 * np.sin(2 * np.pi * 300 * t) * np.exp(-4 * t)
    for k in range(5):
        soundfile.write(tmp_path / f"plain_{k}.wav", np.roll(wave, k), 16_000, subtype="PCM_16")
    soundfile.write(tmp_path / "wide_0.wav", 0.99 * wave, 16_000, subtype="PCM_24")
    soundfile.write(tmp_path / "float_0.wav", np.stack([0.98 * wave] * 2, 1), 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "slow_0.wav", 0.97 * wave[::2], 8000, subtype="PCM_16")
    data = sparring.open(tmp_path).split(None)
    pictures = to_pictures(data.spec, data[np.arange(len(data))]).astype(int)
    assert data.spec.rate == 16_000 and len(data) == 8
    named = {name.rpartition("/")[2]: picture for name, picture in zip(data.names, pictures, strict=True)}
    for name in ("wide_0.wav", "float_0.wav", "slow_0.wav"):
        assert np.abs(named[name] - named["plain_0.wav"])[2:12, :16].mean() < 3  # 0.4 dB a step

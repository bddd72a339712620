"""`sparring hear` on words that are tones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from speaking import RATE, WORDS, tone, write_wav

import sparring
from sparring.commands import hear as command
from sparring.commands.hear import Recognition
from sparring.engine.errors import SparringError
from sparring.engine.safetensors_io import digest
from sparring.models.speech import load_recogniser

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def test_it_learns_the_words_and_hears_nothing_in_what_is_none(recognition: Recognition) -> None:
    assert recognition.words == ("high", "low", "middle", "nothing") and recognition.heard == 1600
    for channel in ("none", "8bit", "both", "moving"):
        assert recognition.right[channel].total == 30 and recognition.right[channel].hits >= 28, channel
    assert recognition.fooled["noise"].hits <= 40
    told = json.loads((Path(recognition.run) / "recognition.json").read_text())
    assert told["right"]["none"]["hits"] == recognition.right["none"].hits


def test_what_is_saved_is_loaded(recognition: Recognition, tmp_path: Path) -> None:
    one = load_recogniser(recognition.run)
    one.save(tmp_path)
    again = sparring.load_recogniser(tmp_path)
    waves = [tone(pitch).astype(np.float32) for pitch in WORDS.values()]
    assert torch.equal(one.logits(waves), again.logits(waves))
    assert [heard.word for heard in again.hear(waves)] == list(WORDS)
    assert again.hear([np.zeros(4000, np.float32)])[0].word == "nothing"
    (tmp_path / "recogniser.json").write_text('{"format": 1, "words": ["a"], "rate": 8000}')
    with pytest.raises(SparringError, match="do not go together"):
        load_recogniser(tmp_path)


def test_the_same_seed_is_the_same_net_by_the_command_line_too(words: Path, quick: Cli, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(command, "MADE", 2)
    nets = []
    for name in ("a", "b"):
        how = ("--sounds", 64, "--seed", 1, "--device", "cpu", "--out", tmp_path / name)
        done = quick("hear", words, *how, "--json")
        assert done.returncode == 0 and json.loads(done.stdout)["heard"] == 64, done.stderr
        nets.append(digest(load_recogniser(tmp_path / name).net.state_dict()))
    assert nets[0] == nets[1]


def test_minutes_and_words(words: Path, quick: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MADE", 2)
    done = quick("hear", words, "--minutes", 0.01, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "words    high, low, middle" in done.stdout and "runs/words-hear" in done.stdout


def refused(quick: Cli, *args: object) -> str:
    done = quick(*args)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    return done.stderr


def test_bad_input_is_told(words: Path, recognition: Recognition, quick: Cli, tmp_path: Path) -> None:
    write_wav(tmp_path / "one" / "yes_a_1.wav", tone(500))
    write_wav(tmp_path / "slow" / "yes_a_1.wav", tone(500, rate=2000), rate=2000)
    write_wav(tmp_path / "slow" / "no_a_1.wav", tone(300, rate=2000), rate=2000)
    write_wav(tmp_path / "odd" / "nothing_a_1.wav", tone(500))
    write_wav(tmp_path / "odd" / "no_a_1.wav", tone(500))
    write_wav(tmp_path / "unheard" / "train" / "yes" / "1.wav", tone(500))
    write_wav(tmp_path / "unheard" / "test" / "no" / "1.wav", tone(500))
    (tmp_path / "empty").mkdir()
    assert "there is no 'wrods'" in refused(quick, "hear", "wrods")
    assert "no sounds in" in refused(quick, "hear", tmp_path / "empty")
    assert "there is but one word, 'yes'" in refused(quick, "hear", tmp_path / "one")
    assert "2,000 samples a second, and words need 4,000" in refused(quick, "hear", tmp_path / "slow")
    assert "call that word otherwise" in refused(quick, "hear", tmp_path / "odd")
    assert "no recording of 'no' is for training" in refused(quick, "hear", tmp_path / "unheard")
    assert "exclude each other" in refused(quick, "hear", words, "--minutes", 1, "--sounds", 64)
    assert "--sounds must be 1 or more, not 0" in refused(quick, "hear", words, "--sounds", 0)
    assert "--minutes must be above 0" in refused(quick, "hear", words, "--minutes", -1)
    assert "choose another --out" in refused(quick, "hear", words, "--sounds", 64, "--out", recognition.run)
    assert recognition.rate == RATE

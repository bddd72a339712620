"""`sparring whisper` against a recogniser of tones: what is hidden, where it is heard, what is written and refused."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speaking import tone, write_wav

import sparring
from sparring.commands import whisper as command
from sparring.commands.hear import Recognition
from sparring.models.speech import load_recogniser
from sparring.report.audio_attack_section import Whispered

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def found(words: Path, recognition: Recognition) -> Whispered:
    return sparring.whisper(recognition.run, words, db=-10, utterances=3)


def test_the_files_are_heard_as_told_and_within_the_bound(
    words: Path, recognition: Recognition, found: Whispered
) -> None:
    recogniser = load_recogniser(recognition.run)
    assert found.success.total == 6 and found.success.hits >= 3
    for one in found.whispers:
        attacked, rate = soundfile.read(Path(found.out) / one.file, dtype="float32")
        original, _ = soundfile.read(words / one.name, dtype="float32")
        assert rate == recognition.rate and len(attacked) == len(original)
        change, peak = np.abs(attacked - original).max(), np.abs(original).max()
        assert change <= peak * 10 ** (-10 / 20) + 1e-7
        assert one.db is not None and one.db == pytest.approx(20 * np.log10(change / peak), abs=1e-3)
        heard = recogniser.hear([attacked])[0]
        assert (heard.word, heard.word == one.target) == (one.heard, one.success)
        assert one.target not in (one.said, one.before) and one.said == one.name.split("_")[0]


def test_the_report_and_the_page(found: Whispered) -> None:
    told = json.loads((Path(found.out) / "report.json").read_text())
    assert told["success"]["hits"] == found.success.hits and len(told["whispers"]) == 6
    assert sum(of for row in found.by_pair.values() for _, of in row.values()) == 6
    page = (Path(found.out) / "report.html").read_text()
    assert page.count("data:audio/wav;base64,") == 18 and "media-src data:" in page and "<script" not in page


@pytest.mark.parametrize("channel", ["both", "moving"])
def test_through_a_channel_by_the_command_line(words: Path, recognition: Recognition, quick: Cli, channel: str,
                                              tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(command, "STEPS", 20)
    out = tmp_path / "out"
    done = quick(
        "whisper", recognition.run, words, "--db", -5, "--channel", channel, "--utterances", 1, "--out", out, "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["channel"] == channel and told["utterances"] == 1 and (out / told["whispers"][0]["file"]).exists()
    if channel == "both":
        one = told["whispers"][0]
        attacked, _ = soundfile.read(out / one["file"], dtype="float32")
        assert load_recogniser(recognition.run).hear([attacked], "both")[0].word == one["heard"]


def test_below_the_mask(words: Path, recognition: Recognition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "STEPS", 20)
    found = sparring.whisper(recognition.run, words, masked=True, utterances=2, out=tmp_path / "out")
    assert found.db == 0 and all(one.audible < 0.05 for one in found.whispers)


def test_no_speech_that_is_heard_as_a_word(recognition: Recognition, tmp_path: Path) -> None:
    found = sparring.whisper(recognition.run, "nonspeech", say="low", db=-10, utterances=4, out=tmp_path / "out")
    assert {one.said for one in found.whispers} <= {"noise", "hum", "clicks", "chord"}
    assert all(one.target == "low" != one.before for one in found.whispers)
    assert command.to_text(found).startswith("heard  ")


def test_deaf_to_a_single_file_of_its_own_name(recognition: Recognition, tmp_path: Path) -> None:
    song = write_wav(tmp_path / "song.wav", tone(900))
    found = sparring.whisper(recognition.run, song, say="nothing", db=-6, out=tmp_path / "out")
    assert [(one.said, one.before, one.target) for one in found.whispers] == [("song", "middle", "nothing")]


def test_the_same_seed_gives_the_same_files(words: Path, recognition: Recognition, tmp_path: Path) -> None:
    both = [sparring.whisper(recognition.run, words, say="low", utterances=2, out=tmp_path / name) for name in "ab"]
    files = [sorted((tmp_path / name).glob("*.wav")) for name in "ab"]
    assert both[0].whispers == both[1].whispers and len(files[0]) >= 1
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert soundfile.info(io.BytesIO(files[0][0].read_bytes())).subtype == "PCM_16"


def refused(quick: Cli, *args: object) -> str:
    done = quick("whisper", *args)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    return done.stderr


def test_bad_input_is_told(words: Path, recognition: Recognition, quick: Cli, tmp_path: Path) -> None:
    run = recognition.run
    write_wav(tmp_path / "fast.wav", tone(500, rate=16000), rate=16000)
    write_wav(tmp_path / "low_a_1.wav", tone(300))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert "there is no 'nowhere'" in refused(quick, "nowhere", words)
    assert "has no recogniser.json" in refused(quick, tmp_path, words)
    (tmp_path / "run.json").write_text("{}")
    assert "it is a run of images" in refused(quick, tmp_path, words)
    assert "did you mean 'middle'" in refused(quick, run, words, "--say", "midle")
    assert "--db must be 0 or less" in refused(quick, run, words, "--db", 3)
    assert "--db must be 0 or less" in refused(quick, run, words, "--db", "nan")
    assert "unknown channel 'tin-can'" in refused(quick, run, words, "--channel", "tin-can")
    assert "--utterances must be 1 or more" in refused(quick, run, words, "--utterances", 0)
    assert "--seed must be 0 or more" in refused(quick, run, words, "--seed", -1)
    assert "there is no 'nois'" in refused(quick, run, "nois")
    assert "16,000 samples a second, and the recogniser hears 8,000" in refused(quick, run, tmp_path / "fast.wav")
    assert "are said or heard to be 'low' as they are" in refused(quick, run, tmp_path / "low_a_1.wav", "--say", "low")
    assert "is there already: choose another --out" in refused(quick, run, words, "--out", tmp_path / "full")

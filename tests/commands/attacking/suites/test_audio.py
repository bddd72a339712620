"""`sparring attack` on tones: predictions of the written files, the bound, channels, masking, and what is refused."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from speaking import speak

import sparring
from sparring.commands.attacking.suites import audio as suite
from sparring.commands.training.interrupt import Stopped
from sparring.engine.errors import UsageError
from sparring.report.attack_report import AttackReport
from sparring.report.audio_attack_section import AudioAttackDetails

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
MODULE = """
import torch

PITCHES = torch.tensor([2400.0, 300.0, 900.0])  # high, low, middle: the classes in their order
def bands(x):  # [B, 1, T] at 8,000 Hz -> energy near each pitch
    spectrum = torch.fft.rfft(x[:, 0], 4096).abs()
    hertz = torch.arange(spectrum.shape[1]) * 8000 / 4096
    near = torch.exp(-((hertz[:, None] - PITCHES) / (0.15 * PITCHES)) ** 2)
    return 20 * torch.log10(spectrum @ near + 1e-3) / 4
def fails(x): raise ValueError("no microphone")
"""


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three words that are tones, and a model of them, `listener:bands`."""
    folder = tmp_path_factory.mktemp("tones")
    (folder / "listener.py").write_text(MODULE)
    return speak(folder / "words")


@pytest.fixture(autouse=True)
def _module(tones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tones.parent))


def attacked(tones: Path, out: Path, **flags: object) -> tuple[AttackReport, AudioAttackDetails]:
    report = sparring.attack("listener:bands", tones, out=out, device="cpu", **{"db": -10, "count": 3, **flags})
    assert isinstance(report.details, AudioAttackDetails)
    return report, report.details


@pytest.fixture(scope="module")
def report(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> AttackReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tones.parent))
        patch.setenv("SPARRING_CACHE", str(tmp_path_factory.mktemp("cache")))
        return attacked(tones, tmp_path_factory.mktemp("out") / "attack")[0]


def test_the_files_are_predicted_as_reported_and_within_the_bound(tones: Path, report: AttackReport) -> None:
    from listener import bands

    details = report.details
    assert isinstance(details, AudioAttackDetails)
    assert report.kind == "audio" and report.selection == "3 test sounds" and report.clean.hits == 3
    assert report.robust.total == len(details.attacks) == 6
    assert report.robust.hits == sum(not attack.success for attack in details.attacks) <= 3
    for attack in details.attacks:
        wave, rate = soundfile.read(Path(report.out) / attack.file, dtype="float32")
        original, _ = soundfile.read(tones / attack.name, dtype="float32")
        assert rate == 8000 and len(wave) == len(original)
        change, peak = np.abs(wave - original).max(), np.abs(original).max()
        assert change <= peak * 10 ** (-10 / 20) + 1e-7
        assert attack.db is not None and attack.db == pytest.approx(20 * np.log10(change / peak), abs=1e-3)
        number = int(bands(torch.from_numpy(wave)[None, None]).argmax())
        assert ("high", "low", "middle")[number] == attack.after
        assert (attack.after == attack.target) == attack.success and attack.label == attack.name.split("_")[0]


def test_the_report_and_the_page(report: AttackReport) -> None:
    written = json.loads((Path(report.out) / "report.json").read_text())
    assert written["robust"]["hits"] == report.robust.hits and len(written["details"]["attacks"]) == 6
    assert written["settings"] == {"kind": "audio", "target": None, "db": -10, "masked": False, "channel": "none"}
    assert sum(total for row in written["details"]["by_pair"].values() for _, total in row.values()) == 6
    page = (Path(report.out) / "report.html").read_text()
    assert page.count("data:audio/wav;base64,") == 18 and "media-src data:" in page and "<script" not in page
    assert "success  " in report.to_text() and len(report.by_class) <= 3


@pytest.mark.parametrize("channel", ["both", "moving"])
def test_through_a_channel_by_the_command_line(
    channel: str, tones: Path, quick: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "STEPS", 20)
    out = tmp_path / "out"
    flags = ("--db", -5, "--channel", channel, "--count", 1, "--out", out, "--device", "cpu", "--json")
    done = quick("attack", "listener:bands", tones, *flags)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["settings"]["channel"] == channel and (out / printed["details"]["attacks"][0]["file"]).exists()


def test_below_the_masking_threshold(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "STEPS", 20)
    report, details = attacked(tones, tmp_path / "out", masked=True, db=None, count=2)
    assert report.settings["db"] == 0 and all(attack.audible < 0.05 for attack in details.attacks)


def test_the_same_seed_gives_the_same_files_and_old_ones_are_removed(tones: Path, tmp_path: Path) -> None:
    first, second = (attacked(tones, tmp_path / name, target="low", count=4)[1] for name in "ab")
    assert first == second
    files = [sorted((tmp_path / name).glob("*.wav")) for name in "ab"]
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert soundfile.info(io.BytesIO(files[0][0].read_bytes())).subtype == "PCM_16"
    (tmp_path / "a" / "mine.wav").write_bytes(b"mine")
    attacked(tones, tmp_path / "a", target="high", count=2)
    names = {file.name for file in (tmp_path / "a").glob("*.wav")}
    assert "mine.wav" in names and not any("as-low" in name for name in names)


def test_an_interrupted_attack_goes_on(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "CHUNK_SOUNDS", 2)
    whole, _ = attacked(tones, tmp_path / "whole")
    search, calls = suite.pgd, []

    def stopping(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return search(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(suite, "pgd", stopping)
    with pytest.raises(Stopped, match=r"after 2 of 6 sounds.*same command"):
        attacked(tones, tmp_path / "again")
    again, _ = attacked(tones, tmp_path / "again")
    assert len(calls) == 4 and again.details == whole.details and not (tmp_path / "again" / "parts").exists()


def test_conditions(tones: Path, quick: Cli, tmp_path: Path, report: AttackReport) -> None:
    baseline = Path(report.out) / "report.json"
    flags = ("attack", "listener:bands", tones, "--count", 3, "--out", tmp_path / "out", "--device", "cpu")
    done = quick(*flags, "--db", -10, "--baseline", baseline, "--fail-below", "0")
    assert done.returncode == 0, done.stderr
    done = quick(*flags, "--db", -10, "--fail-below", "1")
    assert done.returncode == 1 and "the robust proportion is" in done.stderr
    done = quick(*flags, "--db", -20, "--baseline", baseline)
    assert done.returncode == 2 and "was made with db -10" in done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--target", "midle"], "did you mean 'middle'"),
        (["--db", "3"], "--db must be 0 or less"),
        (["--db", "nan"], "--db must be 0 or less"),
        (["--channel", "tin-can"], "unknown channel 'tin-can'"),
        (["--count", "0"], "--count must be 1 or more"),
        (["--seed", "-1"], "--seed must be 0 or more"),
        (["--eps", "0.1"], "--eps is for images and series, and the data are of kind audio"),
        (["--max-columns", "2"], "--max-columns is for tables, and the data are of kind audio"),
    ],
)
def test_bad_flags(flags: list[str], message: str, tones: Path, quick: Cli) -> None:
    done = quick("attack", "listener:bands", tones, *flags)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_bad_models_and_sources(tones: Path, quick: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "STEPS", 1)
    done = quick("attack", "listener:fails", tones)
    assert done.returncode == 2 and "no microphone" in done.stderr and "float32 [B, 1, T]" in done.stderr
    done = quick("attack", "listener:bands", "noise")
    assert done.returncode == 2 and "listener:bands is not a run of sounds" in done.stderr
    with pytest.raises(UsageError, match="all sounds are of class 'low'"):
        for seed in range(40):  # until the only sound is a low one
            sparring.attack(
                "listener:bands", tones, target="low", count=1, seed=seed, device="cpu", out=tmp_path / "out"
            )

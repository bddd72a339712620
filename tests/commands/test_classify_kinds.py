"""`classify` on words, tables and series: trained, tested, saved, continued and predicted like images."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sparring
from sparring.commands.predict import predict
from sparring.commands.training import session
from sparring.commands.training.interrupt import Stopped
from sparring.measure.classifier.calibration import ClassificationReport

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def write_table(folder: Path) -> Path:
    """A table of two columns, in which a class is whether their product is above 2,000."""
    rows = np.random.default_rng(0).integers(10, 100, (300, 2))
    lines = [f"{hours},{wage},{'yes' if hours * wage > 2000 else 'no'}" for hours, wage in rows]
    path = folder / "rich.csv"
    path.write_text("\n".join(["hours,wage,rich", *lines]))
    return path


@pytest.fixture(scope="session")
def word_report(words: Path) -> ClassificationReport:
    """A classifier of words that are tones."""
    return sparring.classify(words, images=1600, out=words.parent / "run", device="cpu", precision="fp32")


def test_words_are_learnt_and_tested_through_channels_and_on_other_sounds(word_report: ClassificationReport) -> None:
    assert word_report.classes == ("high", "low", "middle") and word_report.tested_on == "test recordings"
    assert word_report.errors is not None and word_report.errors.total == 30 and word_report.errors.hits <= 2
    assert set(word_report.channels) == {"none", "8bit", "lowpass", "both", "moving"}
    assert all(accuracy.hits >= 28 for accuracy in word_report.channels.values())
    assert set(word_report.nonspeech) == {"noise", "hum", "clicks", "chord"}
    assert word_report.nonspeech["noise"].hits <= 40
    run = sparring.Run(word_report.run)
    assert run.settings["recipe"]["name"] == "speech_cnn" and run.settings["data"]["spec"]["kind"] == "audio"
    assert ClassificationReport.from_json(json.loads((run.path / "classification.json").read_text())) == word_report
    assert "sounds without speech" in run.report_path.read_text()


def test_words_are_predicted(word_report: ClassificationReport, words: Path) -> None:
    answers = predict(word_report.run, words).predictions
    assert sum(answer.name.startswith(answer.label) for answer in answers) >= 0.9 * len(answers)


def test_a_table_is_learnt_by_the_command_line(quick: Cli, tmp_path: Path) -> None:
    write_table(tmp_path)
    done = quick("classify", "rich.csv", "--label", "rich", "--images", 40_000, "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["recipe"] == "tabular_mlp" and report["tested_on"] == "test rows"
    assert report["errors"]["value"] < 0.15 and report["channels"] == {} and report["attacked"] == []


def test_a_stopped_training_of_a_table_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, settings = write_table(tmp_path), {"label": "rich", "device": "cpu", "precision": "fp32"}
    sparring.classify(table, images=4_096, out=tmp_path / "whole", **settings)  # type: ignore[arg-type]
    play = session.play
    stops = iter([False] * 5 + [True])
    monkeypatch.setattr(session, "play", lambda *args, **how: play(*args, **{**how, "should_stop": stops.__next__}))
    with pytest.raises(Stopped):
        sparring.classify(table, images=4_096, out=tmp_path / "run", **settings)  # type: ignore[arg-type]
    monkeypatch.undo()
    sparring.classify(table, out=tmp_path / "run", **settings)  # type: ignore[arg-type]
    weights = [(tmp_path / name / "classifier.safetensors").read_bytes() for name in ("whole", "run")]
    assert weights[0] == weights[1]


def test_series_are_learnt(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = np.sin(np.arange(32) * np.where(y, 0.3, 0.9)[:, None] + rng.uniform(0, 6, (120, 1)))[:, None]
    np.savez(tmp_path / "waves.npz", x=x.astype(np.float32), y=y)
    report = sparring.classify(
        tmp_path / "waves.npz", kind="series", images=6_000, out=tmp_path / "run", device="cpu", precision="fp32"
    )
    assert report.recipe == "series_cnn" and report.errors is not None and report.errors.value < 0.2


def test_harden_takes_images_alone(words: Path, quick: Cli) -> None:
    done = quick("harden", words)
    assert done.returncode == 2 and "no recipe for audio data yet: it takes image data" in done.stderr
    done = quick("harden", words, "--method", "fast")
    assert done.returncode == 2 and "fast is for image data" in done.stderr

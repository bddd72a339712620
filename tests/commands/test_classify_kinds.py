"""What only some kinds of data have: further tests of words; and what no recipe trains yet."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import sparring
from sparring.engine.errors import UsageError
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.recipes import recipe_class

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def word_report(words: Path) -> ClassificationReport:
    """A classifier of words that are tones."""
    recipe = recipe_class("speech_cnn")(width=8, lr=0.01)
    return sparring.classify(words, recipe, images=1600, out=words.parent / "run", device="cpu", precision="fp32")


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


def test_synthetic_sounds_are_attacked(word_report: ClassificationReport, words: Path, tmp_path: Path) -> None:
    how = {"target": "low", "db": -10, "device": "cpu", "out": tmp_path / "out"}
    report = sparring.attack(word_report.run, "nonspeech", count=4, **how)  # type: ignore[arg-type]
    assert report.selection == "4 synthetic sounds" and set(report.by_class) <= {"noise", "hum", "clicks", "chord"}
    with pytest.raises(UsageError, match="--move is for tables"):
        sparring.attack(word_report.run, words, move=("hours",), device="cpu")


def test_harden_takes_images_alone(words: Path, quick: Cli) -> None:
    done = quick("harden", words)
    assert done.returncode == 2 and "no recipe for audio data yet: it takes image data" in done.stderr
    done = quick("harden", words, "--method", "fast")
    assert done.returncode == 2 and "fast is for image data" in done.stderr

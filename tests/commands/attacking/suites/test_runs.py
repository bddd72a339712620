"""`sparring attack` on runs of `sparring classify`: the model says how the data are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from speaking import speak

import sparring
from sparring.engine.errors import UsageError


@pytest.mark.slow
def test_a_run_of_sounds_and_synthetic_sounds(tmp_path: Path) -> None:
    words = speak(tmp_path / "words")
    run = sparring.classify(words, images=640, out=tmp_path / "run", device="cpu").run
    report = sparring.attack(run, words, target="low", db=-10, count=4, device="cpu")
    assert report.kind == "audio" and report.clean.hits == 4 and report.robust.hits < report.robust.total
    assert report.out == str(Path(run) / "attack")
    synthetic = sparring.attack(run, "nonspeech", target="low", db=-10, count=4, device="cpu", out=tmp_path / "out")
    assert synthetic.selection == "4 synthetic sounds" and set(synthetic.by_class) <= {
        "noise",
        "hum",
        "clicks",
        "chord",
    }
    with pytest.raises(UsageError, match="--move is for tables"):
        sparring.attack(run, words, move=("hours",), device="cpu")


@pytest.mark.slow
def test_a_run_of_a_table_knows_its_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [(int(h), int(w)) for h, w in rng.integers(10, 100, (400, 2))]
    lines = [f"{h},{w},{'yes' if h * w > 2500 else 'no'}" for h, w in rows]
    (tmp_path / "rich.csv").write_text("\n".join(["hours,wage,rich", *lines]))
    run = sparring.classify(tmp_path / "rich.csv", label="rich", images=40_000, out=tmp_path / "run", device="cpu").run
    report = sparring.attack(run, tmp_path / "rich.csv", immutable=("wage",), increasing=("hours",), device="cpu")
    assert report.kind == "table" and report.clean.value > 0.9 and report.settings["may_change"] == ["hours"]
    assert report.robust.value < report.clean.value

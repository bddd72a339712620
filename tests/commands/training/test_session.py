"""What every training goes through: the name of a new run, and what is told of one that goes on elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import sparring
from sparring.commands.training.session import new_run_folder


@pytest.mark.parametrize(
    ("source", "name"),
    [("photos/", "photos-r3"), ("a/b.tar.gz", "b-r3"), ("hf.parquet#train", "hf-r3"),
     ("größe 2.zip", "gr-e-2-r3"), ("…", "data-r3")],
)  # fmt: skip
def test_a_run_is_named_by_source_and_recipe(source: str, name: str) -> None:
    assert new_run_folder(source, "r3") == Path("runs") / name


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for expected in ("photos-r3", "photos-r3-2", "photos-r3-3"):
        path = new_run_folder("photos", "r3")
        assert path == Path("runs") / expected
        path.mkdir(parents=True)


def test_a_run_that_goes_on_with_other_hardware_tells_it(
    run: sparring.Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Path(shutil.copytree(run.path, tmp_path / "run"))
    settings = json.loads((moved / "run.json").read_text())
    (moved / "run.json").write_text(json.dumps({**settings, "hardware": "an abacus"}))
    sparring.train(data, out=moved, device="cpu")
    assert "note: the run was begun on an abacus, and continues on cpu" in capsys.readouterr().err

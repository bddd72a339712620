"""Folders of competitions: their files, what is handed in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparring.commands.solving.competition import Competition, find_competition, submission
from sparring.commands.solving.stated import Overrides
from sparring.commands.solving.steps import steps_of
from sparring.commands.solving.task import Unclear
from sparring.commands.solving.understanding import understand
from sparring.engine.errors import SparringError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "comp"
    folder.mkdir()
    rows = [f"p{k},{k % 7},{('no', 'yes')[k % 2]}" for k in range(60)]
    (folder / "train.csv").write_text("\n".join(["id,x,survived", *rows[:40]]) + "\n")
    (folder / "test.csv").write_text("\n".join(["id,x", *(row.rpartition(",")[0] for row in rows[40:])]) + "\n")
    ids = [row.split(",")[0] for row in reversed(rows[40:])]
    (folder / "sample_submission.csv").write_text("\n".join(["id,survived", *(f"{one},no" for one in ids)]) + "\n")
    return folder


def predictions(path: Path, labels: list[str]) -> Path:
    lines = [
        f"line {k + 2},{label},0.9,{label if label != 'none of these' else 'yes'}" for k, label in enumerate(labels)
    ]
    path.write_text("\n".join(["name,label,probability,likeliest", *lines]) + "\n")
    return path


def test_the_sample_names_the_column_and_the_files(folder: Path) -> None:
    understood = understand(f"{folder}/", Overrides())
    task = understood.task
    assert (task.kind.value, task.target.value, task.drop.value) == ("classify", "survived", "id")
    assert "sample_submission.csv is to be handed in" in task.kind.evidence
    lines = [step.text() for step in steps_of(task, understood.report, Path("out"))]
    assert lines[0] == f"sparring classify {folder}/train.csv --label survived --drop id --minutes 10 --out out"
    assert lines[1] == f"sparring predict out {folder}/test.csv --csv > out/predictions.csv"


def test_the_submission_has_the_ids_of_the_sample_in_its_order(folder: Path, tmp_path: Path) -> None:
    competition = find_competition(folder)
    assert isinstance(competition, Competition)
    labels = ["yes" if k < 5 else "none of these" if k < 7 else "no" for k in range(20)]
    path = predictions(tmp_path / "p.csv", labels)
    lines = submission(competition, path, ("no", "yes")).splitlines()
    assert lines[0] == "id,survived" and lines[1] == "p59,no" and lines[-1] == "p40,yes" and lines[-6] == "p45,yes"
    competition.sample.write_text("id,survived\np40,0.5\n")
    assert submission(competition, path, ("no", "yes")).splitlines() == ["id,survived", "p40,0.900000"]
    assert submission(competition, predictions(path, ["no"] * 20), ("no", "yes")).splitlines()[1] == "p40,0.100000"
    competition.sample.write_text("id,survived\np99,no\n")
    with pytest.raises(SparringError, match="were not predicted, the first is 'p99'"):
        submission(competition, path, ("no", "yes"))


def test_semicolons_between_the_cells(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_text(path.read_text().replace(",", ";"))
    competition = find_competition(folder)
    assert competition is not None and (competition.id_column, competition.target) == ("id", "survived")


def test_files_that_do_not_fit_are_refused(folder: Path) -> None:
    (folder / "sample_submission.csv").write_text("id,a,b\np40,1,2\n")
    with pytest.raises(Unclear, match="has the columns id, a, b"):
        find_competition(folder)
    test, sample = (folder / "test.csv").read_text(), folder / "sample_submission.csv"
    for content, words in {
        "id,survived\np40,no\np40,no\n": "ids of 'id' repeat",
        "id,survived\np99,no\n": "has rows that test.csv lacks, the first is 'p99'",
        "id,survived\n": "sample_submission.csv has no rows",
    }.items():
        sample.write_text(content)
        with pytest.raises(Unclear, match=words):
            find_competition(folder)
    (folder / "test.csv").write_bytes(test.encode("utf-16"))
    with pytest.raises(Unclear, match="is no csv file in UTF-8"):
        find_competition(folder)
    (folder / "test.csv").unlink()
    with pytest.raises(Unclear, match=r"not one train\*\.csv and one test"):
        find_competition(folder)
    (folder / "sample_submission.csv").unlink()
    assert find_competition(folder) is None and find_competition(folder / "train.csv") is None

"""Generators of tables through the commands: train, sample with conditions, fill gaps, evaluate, inspect, doctor."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import sparring
from sparring.commands.inspect import to_text as inspect_text
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run

HEADER = ["id", "sex", "age", "pay", "grade", "rank", "since", "=note", "site"]


def write(path: Path, count: int = 600) -> Path:
    """Write a table with a key, gaps, a dependence, dates, words like formulas, and a constant."""
    rng = np.random.default_rng(0)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for k in range(count):
            grade = int(rng.integers(3))
            age = int(20 + 10 * grade + rng.integers(10))
            pay = f"{1000 + 10 * age + rng.normal():.1f}"
            date = f"20{10 + k % 9}-0{1 + k % 9}-1{k % 8}"
            writer.writerow([
                f"K{k:04d}", ["Female", "Male"][k % 2], "" if k % 9 == 0 else age, pay, ["low", "mid", "top"][grade],
                grade + 1, date, ["=1+1", "fine"][k % 2], "north",
            ])  # fmt: skip
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tables")
    return sparring.train(write(folder / "people.csv"), label="grade", out=folder / "run")


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def sampled(run: Run, folder: Path, n: int = 200, **options: object) -> list[dict[str, str]]:
    path = sparring.sample(run.path, n, out=folder / "new.csv", **options)  # type: ignore[arg-type]
    assert isinstance(path, Path)
    return rows_of(path)


def test_the_default_recipe_is_arf_and_the_run_is_complete(run: Run) -> None:
    assert run.settings["recipe"]["name"] == "arf" and run.settings["request"]["read"]["whole"]
    for name in ("generator.json", "generator.safetensors", "report.html", "metrics.jsonl"):
        assert (run.path / name).exists()
    assert not list(run.path.glob("**/*.pkl"))
    assert {finding.kind for finding in sparring.doctor(run)} <= {"healthy", "far"}


def test_columns_and_forms_of_the_file(run: Run, tmp_path: Path) -> None:
    new = sampled(run, tmp_path)
    assert list(new[0]) == ["id", "sex", "age", "pay", "grade", "rank", "since", "'=note", "site"]
    assert len({row["id"] for row in new}) == 200 and {row["site"] for row in new} == {"north"}
    for row in new:
        assert row["rank"] == {"low": "1", "mid": "2", "top": "3"}[row["grade"]]
        assert row["age"] == "" or 20 <= int(row["age"]) < 50
        assert len(row["pay"].partition(".")[2]) == 1 and row["'=note"] in ("'=1+1", "fine")
        assert len(row["since"]) == 10 and row["since"].startswith("201")
    assert 0.05 < np.mean([row["age"] == "" for row in new]) < 0.18


def test_conditions_and_constraints(run: Run, tmp_path: Path) -> None:
    new = sampled(run, tmp_path / "a", given="sex=Female,grade=top", constraint=["pay <= 1450", "age != NA"])
    assert all(row["sex"] == "Female" and row["rank"] == "3" and float(row["pay"]) <= 1450 for row in new)
    assert all(row["age"] for row in new)
    assert {row["grade"] for row in sampled(run, tmp_path / "b", label="mid")} == {"mid"}
    assert {row["grade"] for row in sampled(run, tmp_path / "c", given="rank=1")} == {"low"}
    for options, message in [
        ({"given": "sx=Female"}, "no column 'sx'.*'sex'"), ({"given": "id=3"}, "not learnt"),
        ({"constraint": ["age > 400"]}, "no training row is near"), ({"label": "high"}, "--.* grade=high"),
    ]:  # fmt: skip
        with pytest.raises(UsageError, match=message):
            sampled(run, tmp_path / "d", **options)


def test_gaps_of_a_table_are_filled_and_all_else_stays(run: Run, tmp_path: Path) -> None:
    write(source := tmp_path / "gaps.csv", 90)
    path = sparring.sample(run.path, given=source, out=tmp_path / "filled.csv")
    assert isinstance(path, Path)
    before, after = rows_of(source), rows_of(path)
    filled = [(b, a) for b, a in zip(before, after, strict=True) if b["age"] == ""]
    assert len(filled) == 10 and all(a["age"] for _, a in filled)
    apart = [abs(int(a["age"]) - (20 + 10 * (int(a["rank"]) - 1) + 5)) for _, a in filled]
    assert np.mean(apart) < 6
    for b, a in zip(before, after, strict=True):
        assert all(a[name] == b[name] for name in ("id", "sex", "pay", "since", "site"))


def test_evaluate_reads_the_data_as_the_run_did(run: Run) -> None:
    evaluation = sparring.evaluate(run, n=100)
    scores = {score.name: score for score in evaluation.kind_scores}
    assert scores["valid_rows"].value == 1 and scores["shapes"].value > 0.8
    assert scores["tstr_auc_boosting"].value > 0.9 and "SMOTE" in scores["shapes"].beside


@pytest.mark.slow
def test_a_csv_of_another_tool_has_the_scores_of_a_run(run: Run, tmp_path: Path) -> None:
    source = run.settings["data"]["source"]
    samples = sparring.sample(run.path, 100, out=tmp_path / "new.csv")
    assert isinstance(samples, Path)
    named, unnamed = (sparring.evaluate(samples, source, n=100, label=label) for label in ("grade", None))
    of_run = {score.name for score in sparring.evaluate(run, n=100).kind_scores}
    assert {score.name for score in named.kind_scores} == of_run
    assert of_run - {score.name for score in unnamed.kind_scores} == {name for name in of_run if "tr_" in name}
    with pytest.raises(UsageError, match=r"no column 'grad': did you mean 'grade'\?"):
        sparring.evaluate(samples, source, n=100, label="grad")
    with pytest.raises(UsageError, match="--label are for samples of other tools"):
        sparring.evaluate(run, n=100, label="grade")


def test_a_finished_run_is_left_as_it_is(run: Run) -> None:
    before = (run.path / "generator.safetensors").read_bytes()
    source = run.settings["data"]["source"]
    sparring.train(source, out=run.path)
    assert (run.path / "generator.safetensors").read_bytes() == before
    with pytest.raises(UsageError, match="fitted at once"):
        sparring.train(source, out=run.path, minutes=1)


def test_no_rare_word_and_no_extreme_is_in_the_model(tmp_path: Path) -> None:
    lines = [f"{100 + k % 40},{['red', 'blue'][k % 2]}" for k in range(300)] + ["98765,mauve"]
    (tmp_path / "t.csv").write_text("height,colour\n" + "\n".join(lines) + "\n")
    run = sparring.train(tmp_path / "t.csv", out=tmp_path / "run")
    for name in ("generator.json", "run.json"):
        text = (run.path / name).read_text()
        assert "mauve" not in text and "98765" not in text
    assert json.loads((run.path / "generator.json").read_text())["spec"]["columns"][0]["high"] <= 139


def test_inspect_shows_a_table_whole(run: Run) -> None:
    text = inspect_text(sparring.inspect(run.settings["data"]["source"], whole=True))
    assert "'rank' follows from 'grade'" in text and "'id' holds another word in each row" in text

"""`sparring attack` on a small table: exact results for a model in closed form, what is written, what is refused."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sparring
from sparring.commands.attacking.suites import table as suite
from sparring.commands.training.interrupt import Stopped
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.report.table_attack_section import TableAttackDetails

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
MODULE = """
import torch

def exact(x):  # rich where hours times wage are above 2,000
    s = x[:, 0] * x[:, 1] / 1000 - 2
    return torch.stack([-s, s], 1)
def in_double(x):
    return exact(x) @ torch.eye(2).double() if x.dtype == torch.float64 else 1 / 0
def probabilities(x): return exact(x).softmax(1)
def fails(x): raise ValueError("a column is missing")
def never(x): return -exact(x)
def prints(x): print("output of a module"); return exact(x)
def forest():
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier
    rng = np.random.default_rng(1)
    hours, wage = rng.integers(10, 60, 400), rng.uniform(10, 100, 400)
    trees = RandomForestClassifier(20, random_state=0).fit(np.stack([hours, wage], 1), hours * wage > 2000)
    return lambda x: torch.from_numpy(trees.predict_proba(x[:, :2].numpy())).clamp(min=1e-6).log()
"""


@pytest.fixture(autouse=True)
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """rich.csv: rich where hours times wage are above 2,000; colour is noise, and year is constant."""
    rng = np.random.default_rng(0)
    lines = ["hours,wage,colour,year,rich"]
    for _ in range(500):
        hours, wage, colour = rng.integers(10, 60), rng.uniform(10, 100), rng.choice(["red", "green", "blue"])
        lines.append(f"{hours},{wage:.2f},{colour},1996,{'yes' if hours * wage > 2000 else 'no'}")
    (tmp_path / "rich.csv").write_text("\n".join(lines))
    (tmp_path / "own_table.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return list(csv.DictReader(lines))


def test_results_of_a_model_in_closed_form(rows: list[dict[str, str]], quick: Cli, tmp_path: Path) -> None:
    """Where only hours may change, and only grow, the poor break whose wage suffices at the longest hours."""
    flags = ("--label", "rich", "--move", "hours", "--increasing", "hours", "--json", "--out", "out")
    done = quick("attack", "own_table:exact", "rich.csv", *flags)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    details, count = report["details"], report["clean"]["total"]
    assert report["kind"] == "table" and report["selection"] == f"{count} test rows"
    assert report["clean"]["hits"] == details["success"]["total"] == count > 90
    longest = max(int(row["hours"]) for row in rows)
    test = open_source("rich.csv", ReadOptions(label="rich")).split("test")
    wages = test[np.arange(len(test))][test.labels == 0, 1]
    broken = int((wages * longest > 2000).sum())
    assert (
        details["success"]["hits"] == broken > 10
        and report["robust"]["hits"] == count - broken
        and report["by_class"]["yes"]["value"] == 1
    )
    assert details["changed_columns"] == 1 and details["changed"] == {"hours": broken}
    assert details["may_change"] == ["hours"]
    assert details["columns"] == {"hours": [], "wage": [], "colour": ["blue", "green", "red"], "year": []}
    settings = {"may_change": ["hours"], "increasing": ["hours"], "decreasing": [], "max_columns": None}
    assert report["settings"] == {"kind": "table", **settings}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Changed columns" in page and page.count("<ins>") == 2 * 8
    lines = list(csv.DictReader((tmp_path / "out" / "changes.csv").read_text().splitlines()))
    assert len(lines) == 2 * broken
    assert all(float(line["wage"]) * longest > 2000 for line in lines)


def test_rows_before_and_after(rows: list[dict[str, str]], quick: Cli, tmp_path: Path) -> None:
    done = quick("attack", "own_table:exact", "rich.csv", "--label", "rich", "--immutable", "wage", "--count", "80")
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader((tmp_path / "attack-own_table-exact" / "changes.csv").read_text().splitlines()))
    before, after = lines[::2], lines[1::2]
    assert len(before) == len(after) > 20
    known = [
        {name: row[name] for name in ("hours", "colour", "year", "rich")} | {"wage": float(row["wage"])} for row in rows
    ]
    for old, new in zip(before, after, strict=True):
        assert (old["state"], new["state"], old["row"]) == ("before", "after", new["row"])
        assert {name: old[name] for name in ("hours", "colour", "year", "rich")} | {"wage": float(old["wage"])} in known
        assert old["wage"] == new["wage"] and new["year"] == "1996"
        assert old["prediction"] == old["rich"] == new["rich"] != new["prediction"]
        assert (int(new["hours"]) * float(new["wage"]) > 2000) == (new["prediction"] == "yes")


def test_at_most_so_many_columns(quick: Cli) -> None:
    done = quick("attack", "own_table:exact", "rich.csv", "--label", "rich", "--max-columns", "1")
    assert done.returncode == 0, done.stderr
    assert "1.00 columns changed on average" in done.stdout and "all columns may change: --move" in done.stdout


def test_an_interrupted_attack_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "CHUNK_ROWS", 30)
    whole = sparring.attack("own_table:exact", "rich.csv", label="rich", out=tmp_path / "whole")
    search, calls = suite.greedy, []

    def stopping(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return search(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(suite, "greedy", stopping)
    with pytest.raises(Stopped, match=r"after 60 of 99 rows.*same command"):
        sparring.attack("own_table:exact", "rich.csv", label="rich", out=tmp_path / "again")
    again = sparring.attack("own_table:exact", "rich.csv", label="rich", out=tmp_path / "again")
    assert len(calls) == 5 and again.details == whole.details and isinstance(again.details, TableAttackDetails)


def test_conditions(quick: Cli, tmp_path: Path) -> None:
    flags = ("attack", "own_table:exact", "rich.csv", "--label", "rich", "--move", "hours", "--out")
    report = json.loads(quick(*flags, "good", "--json").stdout)
    robust, baseline = report["robust"]["value"], tmp_path / "good" / "report.json"
    assert 0.02 < robust < 0.98 and report["failures"] == []
    done = quick(*flags, "now", "--baseline", baseline, "--fail-below", robust)
    assert done.returncode == 0, done.stderr
    done = quick(*flags, "now", "--fail-below", robust + 0.01)
    message = f"the robust proportion is {robust:.2%}, below the {robust + 0.01:.2%} of --fail-below"
    assert done.returncode == 1 and message in done.stderr and "robust " in done.stdout
    assert message in (tmp_path / "now" / "report.html").read_text()
    baseline.write_text(json.dumps({**report, "robust": {**report["robust"], "low": 0.99, "high": 1.0}}))
    done = quick(*flags, "now", "--baseline", baseline)
    assert done.returncode == 1 and "below the baseline's interval from 99.00% to 100.00%" in done.stderr
    done = quick(*flags, "now", "--max-columns", "1", "--baseline", baseline)
    assert done.returncode == 2 and "was made with max_columns None, and this report with 1" in done.stderr


@pytest.mark.parametrize("name", ["in_double", "prints", "forest"])
def test_models_of_other_tools(name: str, quick: Cli) -> None:
    if name == "forest":
        pytest.importorskip("sklearn")
    done = quick("attack", f"own_table:{name}", "rich.csv", "--label", "rich", "--count", "40", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (
        report["clean"]["total"] == 40
        and report["clean"]["value"] > 0.85
        and report["details"]["success"]["value"] > 0.5
    )
    assert any("float64" in note for note in report["notes"]) == (name == "in_double")
    assert ("output of a module" in done.stderr) == (name == "prints")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["own_table:exact", "nowhere.csv", "--label", "rich"], 2, "nowhere.csv"),
        (["own_table:exact", "rich.csv", "--label", "poor"], 2, "'poor'"),
        (["own_table:exact", "rich.csv", "--label", "rich", "--move", "hour"],
         2, "no column 'hour': did you mean 'hours'?"),
        (["own_table:exact", "rich.csv", "--label", "rich", "--move", "year"], 2, "no column may change"),
        (["own_table:exact", "rich.csv", "--label", "rich", "--move", "wage", "--immutable", "wage"],
         2, "'wage' is immutable and movable"),
        (["own_table:exact", "rich.csv", "--label", "rich", "--increasing", "colour"],
         2, "'colour' cannot be increasing: it holds categories"),
        (["own_table:exact", "rich.csv", "--label", "rich", "--max-columns", "0"],
         2, "--max-columns must be 1 or more"),
        (["own_table:exact", "rich.csv", "--label", "rich", "--masked"],
         2, "--masked is for audio, and the data are of kind table"),
        (["own_table:exact", "rich.csv"], 2, "--label"),
        (["own_table:missing", "rich.csv", "--label", "rich"], 2, "cannot be loaded: AttributeError"),
        (["own_table:probabilities", "rich.csv", "--label", "rich"], 2, "returns probabilities"),
        (["own_table:never", "rich.csv", "--label", "rich"], 2, "classifies none of 99 test rows correctly"),
        (["own_table:fails", "rich.csv", "--label", "rich"], 2, "own_table:fails fails on inputs"),
    ],
)  # fmt: skip
def test_what_cannot_be_done(args: list[str], code: int, message: str, quick: Cli, tmp_path: Path) -> None:
    done = quick("attack", *args)
    assert done.returncode == code and message in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not list(tmp_path.glob("attack-*"))


def test_skipped_rows_are_named(tmp_path: Path) -> None:
    with open(tmp_path / "rich.csv", "a") as file:
        file.write("\nnan,3,red,1996,no")
    report = sparring.attack("own_table:exact", "rich.csv", label="rich", count=20)
    assert any(note.startswith("skipped: 1:") and "hours" in note for note in report.notes), report.notes

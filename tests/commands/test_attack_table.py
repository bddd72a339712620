"""`sparring attack-table` on a small table: exact figures of a model in closed form, what is written, own models, refusals."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import sparring

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
def prints(x): print("a stranger's words"); return exact(x)
def forest():
    from sklearn.ensemble import RandomForestClassifier
    from sparring.data.tabular import read_table
    table = read_table("rich.csv", "rich")
    trees = RandomForestClassifier(20, random_state=0).fit(table.x.numpy(), table.y.numpy())
    return lambda x: torch.from_numpy(trees.predict_proba(x.numpy())).clamp(min=1e-6).log()
"""


@pytest.fixture(autouse=True)
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """rich.csv: rich where hours times wage are above 2,000; colour says nothing, and year never changes."""
    rng = np.random.default_rng(0)
    lines = ["hours,wage,colour,year,rich"]
    for _ in range(500):
        hours, wage, colour = rng.integers(10, 60), rng.uniform(10, 100), rng.choice(["red", "green", "blue"])
        lines.append(f"{hours},{wage:.2f},{colour},1996,{'yes' if hours * wage > 2000 else 'no'}")
    (tmp_path / "rich.csv").write_text("\n".join(lines))
    (tmp_path / "own_table.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(import_module("sparring.commands.attack_table"), "TRAINED", 40_000)
    return list(csv.DictReader(lines))


def test_figures_of_a_model_in_closed_form(rows: list[dict[str, str]], quick: Cli, tmp_path: Path) -> None:
    """Where hours alone may change, and only grow, the poor break whose wage is enough at the longest hours, and nobody else."""
    args = ("rich.csv", "rich", "--move", "hours", "--increasing", "hours", "--model", "own_table:exact", "--json")
    done = quick("attack-table", *args, "--out", "out")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    longest = max(int(row["hours"]) for row in rows)
    poor = [row for row in rows if row["rich"] == "no"]
    breaks = sum(float(row["wage"]) * longest > 2000 for row in poor)
    assert told["count"] == told["attacked"] == 500 and told["clean_accuracy"] == 1
    assert told["broken"] == breaks and told["success"] == breaks / 500 and told["low"] < told["success"] < told["high"]
    assert told["by_class"] == {"no": [breaks, len(poor)], "yes": [0, 500 - len(poor)]}
    assert told["changed_columns"] == 1 and told["changed"] == {"hours": breaks} and told["may_change"] == ["hours"]
    assert told["columns"] == {"hours": [], "wage": [], "colour": ["blue", "green", "red"], "year": []}
    assert told["increasing"] == ["hours"] and told["decreasing"] == [] and told["most"] is None
    assert told == json.loads((tmp_path / "out" / "report.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Attack success" in page and f"<td>{breaks:,}</td>" in page and page.count("<ins>") == 2 * 8


def test_rows_before_and_after(rows: list[dict[str, str]], quick: Cli, tmp_path: Path) -> None:
    done = quick(
        "attack-table", "rich.csv", "rich", "--immutable", "wage", "--model", "own_table:exact", "--rows", "200"
    )
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader((tmp_path / "attack-rich" / "changes.csv").read_text().splitlines()))
    before, after = lines[::2], lines[1::2]
    assert len(before) == len(after) > 50
    for one, other in zip(before, after, strict=True):
        row = rows[int(one["line"]) - 2]
        assert (one["state"], other["state"], one["line"]) == ("before", "after", other["line"])
        assert all(one[name] == row[name] for name in ("hours", "colour", "year", "rich"))
        assert float(one["wage"]) == float(row["wage"]) == float(other["wage"]) and other["year"] == "1996"
        assert one["answer"] == one["rich"] == other["rich"] != other["answer"]
        assert (int(other["hours"]) * float(other["wage"]) > 2000) == (other["answer"] == "yes")


def test_a_network_of_its_own_on_held_out_rows_or_a_test_file(quick: Cli, tmp_path: Path) -> None:
    done = quick("attack-table", "rich.csv", "rich", "--seed", "3", "--most", "1")
    assert done.returncode == 0, done.stderr
    assert "of 100 held-out rows, a network trained on 400 rows" in done.stdout and "by 1.00 columns" in done.stdout
    assert (
        "all columns may change: --move names those" in done.stdout
        and "attack-rich/changes.csv" in done.stdout
        and "attack-rich/report.html" in done.stdout
    )
    said = [quick("attack-table", "rich.csv", "rich", "--seed", "3", "--most", "1").stdout, done.stdout]
    assert said[0] == said[1]
    text = (tmp_path / "rich.csv").read_text().splitlines()
    (tmp_path / "test.csv").write_text("\n".join([text[0], *text[1:60], "nan,3,red,1996,no", "9,3,mauve,1996,no"]))
    done = quick("attack-table", "rich.csv", "rich", "--test", "test.csv", "--move", "hours", "wage", "--json")
    told = json.loads(done.stdout)
    assert told["count"] == 59 and told["tested_on"] == "rows of test.csv" and told["clean_accuracy"] > 0.9
    assert told["model"] == "a network trained on 500 rows"
    assert told["notes"] == [
        "test.csv: 1 row left out: 'nan' is no number in 'hours' (line 61)",
        "test.csv: 1 row left out: unknown word 'mauve' in 'colour' (line 62)",
    ]


def test_from_python_and_a_file_without_names(tmp_path: Path) -> None:
    text = (tmp_path / "rich.csv").read_text()
    (tmp_path / "bare.csv").write_text(text.partition("\n")[2].replace(",", ";"))
    names = ("hours", "wage", "colour", "year", "rich")
    how = {"move": ("hours",), "model": "own_table:exact", "drop": ("colour",), "words": ("year",)}
    bare = sparring.attack_table("bare.csv", "rich", names=names, delimiter=";", **how)  # type: ignore[arg-type]
    named = sparring.attack_table("rich.csv", "rich", **how)  # type: ignore[arg-type]
    assert bare.success == named.success > 0.5 and list(bare.columns) == ["hours", "wage", "year"]
    assert bare.columns["year"] == ["1996"]


@pytest.mark.parametrize("name", ["in_double", "prints", "forest"])
def test_own_models(name: str, quick: Cli) -> None:
    if name == "forest":
        pytest.importorskip("sklearn")
    done = quick("attack-table", "rich.csv", "rich", "--model", f"own_table:{name}", "--rows", "40", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["attacked"] == 40 and told["success"] > 0.5 and told["clean_accuracy"] > 0.9
    assert any("float64" in note for note in told["notes"]) == (name == "in_double")
    assert ("a stranger's words" in done.stderr) == (name == "prints")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nowhere.csv", "rich"], 2, "there is no nowhere.csv"),
        (["rich.csv", "poor"], 2, "has no column 'poor'"),
        (["rich.csv", "rich", "--move", "hour"], 2, "there is no column 'hour': did you mean 'hours'?"),
        (["rich.csv", "rich", "--move", "year"], 2, "no column may change"),
        (["rich.csv", "rich", "--move", "wage", "--immutable", "wage"], 2, "'wage' is told to be immutable and movable"),
        (["rich.csv", "rich", "--increasing", "colour"], 2, "'colour' cannot be increasing: it holds words"),
        (["rich.csv", "rich", "--most", "0"], 2, "--most must be 1 or more"),
        (["rich.csv", "rich", "--rows", "0"], 2, "--rows must be 1 or more"),
        (["rich.csv", "rich", "--seed", "-1"], 2, "--seed must be 0 or more"),
        (["rich.csv", "rich", "--fail-below", "20"], 2, "--fail-below is a fraction from 0 to 1, not 20"),
        (["rich.csv", "rich", "--baseline", "own_table.py"], 2, "is not a report.json of `sparring attack-table`"),
        (["rich.csv", "rich", "--test", "none.csv"], 2, "there is no none.csv"),
        (["rich.csv", "wage"], 2, "different values, too many for classes"),
        (["rich.csv", "rich", "--delimiter", ";"], 2, "has no column 'rich'"),
        (["rich.csv", "rich", "--model", "own_table:missing"], 2, "cannot be loaded: AttributeError"),
        (["rich.csv", "rich", "--model", "own_table:probabilities"], 2, "returns probabilities"),
        (["rich.csv", "rich", "--model", "own_table:never"], 1, "gets none of 500 rows right"),
        (["rich.csv", "rich", "--model", "own_table:fails"], 1, "own_table:fails failed under attack: ValueError: a column is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told(args: list[str], code: int, words: str, quick: Cli, tmp_path: Path) -> None:
    done = quick("attack-table", *args)
    assert done.returncode == code and words in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "attack-rich").exists()

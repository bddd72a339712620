"""Every script in benchmarks/ imports and parses its arguments, in one process and without any data."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))
OPTIONAL = {"torchmetrics", "sklearn"}
"""Packages of other tools, which not every environment has."""
WITHOUT_ARGUMENTS = {
    "classifier_runs", "judge", "mnist_classifier", "page_classifiers", "page_generators", "page_others", "record",
    "trials",
}  # fmt: skip
"""Shared modules, and scripts that take no arguments."""

CHECK = """
import contextlib, importlib, io, json, sys
scripts, without_arguments = json.loads(sys.argv[1])
problems = {}
for name in scripts:
    output = io.StringIO()
    try:
        module = importlib.import_module(name)
        if name not in without_arguments:
            sys.argv = [name, "--help"]
            with contextlib.redirect_stdout(output):
                module.main()
    except SystemExit as end:
        if end.code or "usage:" not in output.getvalue():
            problems[name] = f"exit code {end.code}, {output.getvalue()[:200]!r}"
    except Exception as error:
        problems[name] = f"{type(error).__name__}: {error}"
print(json.dumps(problems))
"""


def test_every_script_imports_and_parses_its_arguments(tmp_path: Path) -> None:
    source = str(FOLDER.parent / "src")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([source, str(FOLDER)]), "SPARRING_DATA": str(tmp_path)}
    words = [sys.executable, "-c", CHECK, json.dumps([SCRIPTS, sorted(WITHOUT_ARGUMENTS)])]
    done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    problems: dict[str, str] = json.loads(done.stdout)
    missing = {
        name for name, text in problems.items() if any(f"No module named '{package}" in text for package in OPTIONAL)
    }
    assert {name: text for name, text in problems.items() if name not in missing} == {}


def test_every_script_is_named_in_the_readme() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in SCRIPTS if f"{name}.py" not in text] == []


def test_tables_of_the_page_are_those_of_the_json_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that differs was typed: `python benchmarks/table.py --write` writes it from the measured figures."""
    monkeypatch.syspath_prepend(str(FOLDER))
    table = importlib.import_module("table")
    page = table.PAGE.read_text(encoding="utf-8")
    assert sorted(re.findall("<!-- begin (.*) -->", page)) == sorted(table.TABLES)
    assert sorted(re.findall("<!-- end (.*) -->", page)) == sorted(table.TABLES)
    assert table.written(page) == page


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("bench")


def test_a_figure_moves_where_intervals_are_apart(bench: ModuleType) -> None:
    recorded = bench.Figure(2.0, 1.9, 2.1)
    assert not bench.Figure(2.15, 2.05, 2.3).moved(recorded, 0.0)  # they overlap
    assert bench.Figure(2.3, 2.2, 2.4).moved(recorded, 0.01)
    assert not bench.Figure(2.3, 2.2, 2.4).moved(recorded, 0.1)
    assert bench.Figure(1.5, 1.4, 1.6).moved(recorded, 0.1)  # in either direction
    assert not bench.Figure(0, 0, 0).moved(bench.Figure(0, 0, 0), 0.0)


def test_figures_are_numbers_spreads_and_estimates(bench: ModuleType) -> None:
    content = {
        "plain": 3, "two words/no": 0, "rows": [{"spread": {"median": 2, "min": 1, "max": 4, "values": [1, 2, 4]}}],
        "estimate": {"value": 5, "low": 4, "high": 7}, "several": [3.0, 1.0, 2.0],
    }  # fmt: skip
    assert bench.figure(content, "plain") == bench.Figure(3, 3, 3)
    assert bench.figure(content, "rows/0/spread") == bench.Figure(2, 1, 4)
    assert bench.figure(content, "estimate") == bench.Figure(5, 4, 7)
    assert bench.figure(content, "several") == bench.Figure(2, 1, 3)
    repeats = [bench.Figure(2, 1, 3), bench.Figure(4, 3, 6), bench.Figure(3, 2, 4)]
    assert bench.together(repeats) == bench.Figure(3, 1, 6)


def test_recorded_figures_are_those_that_are_compared(bench: ModuleType) -> None:
    for name, short in bench.SHORT.items():
        assert (FOLDER / short.command.split()[0]).exists(), name
        if (path := bench.RECORDED / f"{name}.json").exists():
            assert json.loads(path.read_text(encoding="utf-8"))["figures"].keys() == short.figures.keys(), name
    assert {path.stem for path in bench.RECORDED.glob("*.json")} <= bench.SHORT.keys()


def test_bench_runs_compares_and_names_what_failed(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "made_up.py"
    script.write_text(
        "import record, sys; record.save('x', result='', target='', met=True, details={'a': float(sys.argv[1])})"
    )
    monkeypatch.setattr(bench, "RECORDED", tmp_path / "short")
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))

    def run(value: str, *flags: str) -> str:
        monkeypatch.setattr(bench, "SHORT", {"made": bench.Short(f"{script} {value}", {"a": 0.1})})
        monkeypatch.setattr(sys, "argv", ["bench", *flags])
        with pytest.raises(SystemExit) as end:
            bench.main()
        return f"{end.value.code} {capsys.readouterr().out}"

    assert run("2").startswith("0 not recorded  made: a: - -> 2 (2 to 2)")
    run("2", "--record", "--repeats", "2")
    assert run("2.1").startswith("0 same ")
    assert run("3").startswith("0 MOVED ") and "1 figures moved" in run("3")
    assert run("none").startswith("1 FAILED ") and "could not convert string to float" in run("none")

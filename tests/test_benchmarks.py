"""Every script in benchmarks/ imports and parses its arguments, in one process and without any data."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

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

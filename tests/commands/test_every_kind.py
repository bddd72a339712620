"""`classify`, `predict` and `attack` by the command line, on every kind of data in `tests/kinds.py`."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from kinds import KINDS

import sparring
from sparring.attacks.square import square
from sparring.cli import main
from sparring.commands.training import session
from sparring.recipes import default_recipe

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
CPU = ("--device", "cpu", "--precision", "fp32")
STOPPED = 75


class Trained(NamedTuple):
    """A run of `sparring classify`."""

    kind: str
    source: Path
    args: list[str]
    """The command, without --out."""
    run: Path
    report: dict[str, object]


def command(*args: object) -> str:
    """Run a command that succeeds; return what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as left:
        main([str(arg) for arg in args])
    assert not left.value.code, printed.getvalue()
    return printed.getvalue()


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    kind, folder = KINDS[request.param], tmp_path_factory.mktemp(request.param)
    source = kind.write(folder)
    settings = [arg for name, value in kind.settings.items() for arg in (f"--{name.replace('_', '-')}", value)]
    read = [arg for name, value in kind.read.items() for arg in (f"--{name}", value)]
    args = [str(arg) for arg in ("classify", source, *read, *settings, *kind.flags, *CPU)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARRING_CACHE", str(folder / "cache"))
        report = json.loads(command(*args, "--out", folder / "run", "--json"))
    yield Trained(request.param, source, args, folder / "run", report)


def test_a_classifier_learns_and_is_tested(trained: Trained) -> None:
    report, (unit, _, test) = trained.report, KINDS[trained.kind].form
    assert report["recipe"] == default_recipe("classify", trained.kind) and report["tested_on"] == f"test {unit}"
    errors = report["errors"]
    assert isinstance(errors, dict) and errors["total"] == test and errors["value"] < 0.2
    model = sparring.load(trained.run)
    assert model.spec.kind == trained.kind and model.spec.classes == tuple(report["classes"])  # type: ignore[arg-type]
    written = json.loads((trained.run / "classification.json").read_text())
    assert {name: written[name] for name in report} == report and (trained.run / "report.html").exists()


def test_new_examples_are_answered(trained: Trained) -> None:
    told = json.loads(command("predict", trained.run, trained.source, "--json"))
    data = sparring.open(trained.source, like=sparring.load(trained.run).spec, keep_duplicates=True).split(None)
    assert [one["name"] for one in told["predictions"]] == data.names
    assert told["skipped"] == KINDS[trained.kind].skipped
    classes = [data.spec.classes[k] for k in data.labels]
    right = sum(one["label"] == label for one, label in zip(told["predictions"], classes, strict=True))
    assert right > 0.8 * len(data)
    lines = command("predict", trained.run, trained.source, "--csv").splitlines()
    assert lines[0] == "name,label,probability,likeliest" and len(lines) == len(data) + 1


def test_its_answers_are_attacked(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("sparring.attacks.autoattack"), "square", partial(square, steps=50))
    args = ("attack", trained.run, trained.source, "--count", 4, "--out", tmp_path / "attack", "--device", "cpu")
    report = json.loads(command(*args, "--json"))
    assert report["kind"] == trained.kind and report["clean"]["total"] == 4
    assert report["robust"]["hits"] <= report["clean"]["hits"]
    assert (tmp_path / "attack/report.html").exists() and not (tmp_path / "attack/parts").exists()
    assert "robust" in command(*args[:-4], "--out", tmp_path / "again", "--device", "cpu")


def test_stopped_and_repeated_it_ends_with_the_same_bytes(
    trained: Trained, quick: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play, stops = session.play, iter([False] * 5 + [True])
    monkeypatch.setattr(session, "play", lambda *args, **how: play(*args, **{**how, "should_stop": stops.__next__}))
    assert quick(*trained.args, "--out", "run").returncode == STOPPED
    monkeypatch.setattr(session, "play", play)
    done = quick("classify", trained.source, "--out", "run", *CPU)
    assert done.returncode == 0, done.stderr
    for name in ("classifier.safetensors", "classifier.json"):
        assert (tmp_path / "run" / name).read_bytes() == (trained.run / name).read_bytes()

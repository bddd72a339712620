"""The list of runs: states, scores, damaged folders, hostile names, and what a run gains."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.studio.runs.run_list import find_run, newest_frame, run_names, started_jobs, summary_of
from sparring.commands.reporting.run_scores import Score, scores_of
from sparring.studio.runs.run_tail import RunTail
from sparring.studio.server.jobs import Jobs
from sparring.studio.server.state import Studio, to_json

from ..folders import run_folder, wait_until

PROPORTION = {"hits": 8, "total": 10, "low": 0.7, "high": 0.9, "method": "wilson", "value": 0.8}
ERRORS = {**PROPORTION, "value": 0.2, "low": 0.1, "high": 0.3}


def test_names_are_run_folders_without_links_and_hidden_ones(tmp_path: Path) -> None:
    for name in ("b", "deep/er/c", "deep/er/too/d", ".studio/jobs/e"):
        run_folder(tmp_path / "runs" / name)
    run_folder(tmp_path / "outside")
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "outside")
    assert list(run_names(tmp_path / "runs")) == ["b", "deep/er/c"]


@pytest.mark.parametrize("name", ["../outside", "/etc", "", ".", "link", "b/..", "b/", "B", "b\0"])
def test_no_path_is_made_of_a_name(tmp_path: Path, name: str) -> None:
    run_folder(tmp_path / "runs" / "b")
    run_folder(tmp_path / "outside")
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(UsageError, match="there is no run"):
        find_run(tmp_path / "runs", name)


def test_states(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    run_folder(tmp_path / "a", nimg=100)
    assert summary_of(tmp_path, "a", jobs).state == "done"
    run_folder(tmp_path / "b", nimg=50)
    assert summary_of(tmp_path, "b", jobs).state == "running"  # a command line elsewhere writes it
    os.utime(tmp_path / "b" / "metrics.jsonl", (0, time.time() - 90))
    old = summary_of(tmp_path, "b", jobs)
    assert (old.state, old.nimg, old.total) == ("stopped", 50, 100)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "null", '{"format": 2}', '{"format": 99}', '{"format": 2, "plan": {"images": "many"}}',
               '{"format": 2, "plan": {"images": NaN}, "data": {"spec": {"kind": 1}}, "recipe": {}}', "[" * 100_000],
)  # fmt: skip
def test_a_damaged_run_has_a_row(tmp_path: Path, damage: str) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text(damage)
    row = summary_of(tmp_path, "bad", Jobs(tmp_path))
    assert row.state == "damaged" and row.note


def test_a_name_that_is_no_text_has_a_row(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    run_folder(tmp_path / name)
    (row,) = [summary_of(tmp_path, each, Jobs(tmp_path)) for each in run_names(tmp_path)]
    assert row.state == "damaged" and "rename" in row.note
    assert json.loads(to_json(row))["name"] == r"caf\udce9"


def test_damaged_metrics_are_passed_over(tmp_path: Path) -> None:
    run_folder(tmp_path / "a", nimg=50)
    with open(tmp_path / "a" / "metrics.jsonl", "ab") as file:
        file.write(
            b'{"nimg": Infinity}\n\xff\xfe\n[]\n{"nimg": 60, "x": NaN, "y": "text"}\n' + b"[" * 3000 + b'\n{"nimg": 7'
        )
    assert summary_of(tmp_path, "a", Jobs(tmp_path)).nimg == 60


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("classification", {"errors": ERRORS, "attacked": [{"eps": 0.1, "steps": 20, "accuracy": PROPORTION}]},
         [Score("accuracy", 0.8, 0.7, 0.9, True), Score("accuracy at eps 0.1", 0.8, 0.7, 0.9, True)]),
        ("classification", {"errors": None, "attacked": []}, []),
        ("hardening",
         {"clean": {"errors": ERRORS}, "robust": {"accuracy": PROPORTION}, "norm": "Linf", "eps": 0.3},
         [Score("accuracy", 0.8, 0.7, 0.9, True), Score("robust accuracy, Linf 0.3", 0.8, 0.7, 0.9, True)]),
        ("regression", {"numbers": [{"name": "price", "error": {"value": 3.0, "low": 2.0, "high": 4.0}}]},
         [Score("mean absolute error of price", 3.0, 2.0, 4.0)]),
        ("evaluation",
         {"scores": [{"name": "fd", "value": 3.0, "low": None, "high": None}, {"name": "kd", "value": None}]},
         [Score("fd", 3.0, None, None)]),
        ("evaluation", {"scores": 3}, []),
        ("classification", {"errors": "many"}, []),
    ],
)  # fmt: skip
def test_scores(tmp_path: Path, name: str, fields: dict[str, Any], expected: list[Score]) -> None:
    run = Run(tmp_path)
    run.write_json(name, fields)
    scores = scores_of(run)
    assert [score.name for score in scores] == [score.name for score in expected]
    for score, wanted in zip(scores, expected, strict=True):
        assert score.value == pytest.approx(wanted.value) and score.percent == wanted.percent
        assert (score.low, score.high) == (pytest.approx(wanted.low), pytest.approx(wanted.high))


@pytest.mark.slow
def test_a_failed_start_is_listed_with_its_reason(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = jobs.start(["train", str(tmp_path / "nothing"), "--out", str(tmp_path / "a")], "a")
    assert [row.state for row in started_jobs(jobs, set())] == ["starting"]
    wait_until(lambda: not jobs.running(job))
    (row,) = started_jobs(jobs, set())
    assert (row.name, row.state) == ("a", "failed") and "there is no" in row.note
    assert not list(started_jobs(jobs, {"a"}))


def test_a_killed_job_is_named_so(tmp_path: Path) -> None:
    run_folder(tmp_path / "a", nimg=50)
    jobs = Jobs(tmp_path)
    job = jobs.start(["train", "digits", "--minutes", "9", "--out", str(tmp_path / "b")], "a")
    assert summary_of(tmp_path, "a", jobs).state == "running"
    assert summary_of(tmp_path, "a", Jobs(tmp_path)).state == "running"  # a new server knows it
    os.kill(job.pid, signal.SIGKILL)
    wait_until(lambda: not jobs.running(job))
    row = summary_of(tmp_path, "a", jobs)
    assert (row.state, row.note) == ("stopped", "killed by SIGKILL")
    assert summary_of(tmp_path, "a", Jobs(tmp_path)).state == "stopped"
    os.utime(tmp_path / "a" / "metrics.jsonl", (0, time.time() + 1))  # a command line elsewhere goes on with it
    assert summary_of(tmp_path, "a", jobs).state == "running"


def test_a_tail_returns_each_line_and_picture_once(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "a", nimg=10)
    tail = RunTail(Studio.of(tmp_path), run, "a")
    first = tail.changes()
    assert first and [line["nimg"] for line in first["metrics"]] == [10] and first["frames"] == []
    assert tail.changes() is None
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"nimg": 20, "x": NaN}\n{"nimg": 3')  # the last line is being written
    second = tail.changes()
    assert second and [line["nimg"] for line in second["metrics"]] == [20]
    assert '"x":null' in to_json(second)
    (run.path / "samples").mkdir()
    (run.path / "samples" / "000000020.png").write_bytes(b"")
    third = tail.changes()
    assert third and [frame["nimg"] for frame in third["frames"]] == [20] and not third["metrics"]
    (run.path / "metrics.jsonl").write_text('{"nimg": 1}\n')
    fourth = tail.changes()
    assert fourth and fourth["reset"] and [line["nimg"] for line in fourth["metrics"]] == [1]


def test_the_newest_frame_is_that_of_the_run(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "a")
    assert newest_frame(run) is None
    (run.path / "samples").mkdir()
    for name in ("000000009.png", "1000000000.png", "000000011.png", "x.png", "12.txt", ".000000099.png.1.tmp"):
        (run.path / "samples" / name).write_bytes(b"")
    assert newest_frame(run) == run.frames()[-1] == run.path / "samples" / "1000000000.png"

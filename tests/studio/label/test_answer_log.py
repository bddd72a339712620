"""The log of answers: on disk at once, whatever kills the process, and nothing in it is ever changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparring.engine.errors import SparringError
from sparring.studio.label.answer_log import AnswerLog, LabelAnswer, replay

from ..trained import SOURCE


def answer(name: str, label: str = "", kind: str = "class") -> dict[str, Any]:
    return {"event": "answer", "name": name, "kind": kind, "label": label}


def test_the_last_answer_counts_and_undo_brings_back_the_one_before() -> None:
    events = [answer("a", "1"), answer("b", "", "cannot tell"), answer("a", "2")]
    assert replay(events)[0]["a"].label == "2"
    assert replay([*events, {"event": "undo"}])[0] == {
        "a": LabelAnswer("a", "class", "1"), "b": LabelAnswer("b", "cannot tell"),
    }  # fmt: skip
    assert replay([*events, *[{"event": "undo"}] * 5])[0] == {}


def test_invalid_answers_are_counted_and_left_out() -> None:
    events = [
        answer("a", ""), answer("a", "1", "cannot tell"), answer("a", "1", "maybe"), {"event": "answer"},
        answer(7, "1"), {"event": "shown", "names": []},  # type: ignore[arg-type]
    ]  # fmt: skip
    assert replay(events) == ({}, 5)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12")) | st.none(), max_size=20))
def test_undo_is_as_if_the_last_answer_had_never_been_given(steps: list[tuple[str, str] | None]) -> None:
    kept: list[tuple[str, str]] = []
    for step in steps:
        if step is not None:
            kept.append(step)
        elif kept:
            kept.pop()
    events = [{"event": "undo"} if step is None else answer(*step) for step in steps]
    assert {name: given.label for name, given in replay(events)[0].items()} == dict(kept)


def test_a_line_that_was_cut_off_costs_itself_alone(tmp_path: Path) -> None:
    log = AnswerLog.of(tmp_path)
    log.append("answer", name="a", kind="class", label="1")
    with open(log.path, "ab") as file:
        file.write(b'{"event": "answer", "name": "b", "ki')
    log.append("answer", name="c", kind="class", label="2")
    answers, damaged = log.answers()
    assert (list(answers), damaged) == (["a", "c"], 1)


@pytest.mark.parametrize(
    "rubbish", [b"\xff\xfe\n", b"[1]\n", b"null\n", b'{"time": 1}\n', b"\n\n", b"[" * 100_000 + b"\n"]
)
def test_rubbish_in_the_file_is_left_out(tmp_path: Path, rubbish: bytes) -> None:
    log = AnswerLog.of(tmp_path)
    log.append("answer", name="a", kind="class", label="1")
    log.path.write_bytes(rubbish + log.path.read_bytes())
    answers, damaged = log.answers()
    assert list(answers) == ["a"] and damaged == (0 if not rubbish.strip() else 1)


def test_no_answers_yet(tmp_path: Path) -> None:
    assert AnswerLog.of(tmp_path).answers() == ({}, 0)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    log = AnswerLog.of(tmp_path / "gone")
    with pytest.raises(SparringError, match=r"answers\.jsonl"):
        log.append("undo")


WRITER = """
import sys
from pathlib import Path
from sparring.studio.label.answer_log import AnswerLog
log = AnswerLog.of(Path(sys.argv[1]))
for k in range(100_000):
    log.append("answer", name=str(k), kind="class", label="x")
    print(k, flush=True)
"""


def test_what_was_confirmed_survives_kill_9(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert process.stdout is not None
    confirmed = [int(process.stdout.readline()) for _ in range(50)][-1]
    process.send_signal(signal.SIGKILL)
    confirmed = max(confirmed, *(int(line) for line in process.stdout.read().splitlines()), 0)
    process.wait(20)
    process.stdout.close()
    answers, damaged = AnswerLog.of(tmp_path).answers()
    assert {str(k) for k in range(confirmed + 1)} <= set(answers) and damaged == 0
    times = [json.loads(line)["time"] for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert times == sorted(times)

"""Tables of labels from answers, and the gain from labels."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pytest

from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.studio.label.answer_log import LabelAnswer
from sparring.studio.label.labelling import (
    Accuracy,
    accuracy_of,
    candidates_of,
    gain_over,
    labels_table,
    next_name,
    to_label,
)

TABLE = """name,label,guess,probability,why
a.png,,cat,0.31,unsure
"b, c.png",,dog,0.95,unlike all labelled
d.png,dog,cat,0.5,unsure
e.png,cat,,,labelled already
"""


def run_with(folder: Path, content: str | bytes = TABLE) -> Run:
    path = folder / "to_label.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Run(folder)


def table(text: str) -> dict[str, str]:
    return {line["name"]: line["label"] for line in csv.DictReader(io.StringIO(text))}


def test_the_queue_is_what_is_to_be_labelled_in_its_order(tmp_path: Path) -> None:
    candidates = candidates_of(run_with(tmp_path))
    assert [each.name for each in to_label(candidates)] == ["a.png", "b, c.png", "d.png"]
    assert candidates[0].probability == 0.31 and candidates[3].probability is None


def test_the_table_has_known_labels_and_answers_and_answers_count_more(tmp_path: Path) -> None:
    candidates = candidates_of(run_with(tmp_path))
    assert table(labels_table(candidates, {})) == {"d.png": "dog", "e.png": "cat"}
    answers = [
        LabelAnswer("a.png", "class", "cat"), LabelAnswer("b, c.png", "none of these"),
        LabelAnswer("d.png", "cannot tell"),
    ]  # fmt: skip
    given = labels_table(candidates, {each.name: each for each in answers})
    assert table(given) == {"a.png": "cat", "e.png": "cat"}


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode(errors="surrogateescape")
    run = run_with(tmp_path, b"name,label,guess,probability,why\ncaf\xe9.png,,cat,0.3,unsure\n")
    given = labels_table(candidates_of(run), {name: LabelAnswer(name, "class", "cat")})
    assert given.encode(errors="surrogateescape").endswith(b"caf\xe9.png,cat\r\n")


DAMAGED = {
    "bytes": b"\x00\x01",
    "other columns": "nom,etiquette\na,b\n",
    "no number": "name,label,guess,probability,why\na,,b,many,c\n",
    "a short line": "name,label,guess\na\n",
    "no guesses": "name,label\na,b\n",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_table_is_named(tmp_path: Path, content: str | bytes) -> None:
    run = run_with(tmp_path, content)
    with pytest.raises(SparringError, match=r"to_label\.csv is damaged"):
        candidates_of(run)


def test_a_run_without_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no to_label\.csv"):
        candidates_of(Run(tmp_path))


def accuracy(hits: int, total: int = 100, tested_on: str = "test images") -> Accuracy:
    return Accuracy("run", 10, tested_on, hits / total, 0.0, 1.0, total)


def test_the_gain_is_the_difference_with_newcombes_interval() -> None:
    gain = gain_over(accuracy(80), accuracy(90))
    assert gain is not None
    value, low, high = gain
    assert value == pytest.approx(0.1)
    assert (low, high) == (
        pytest.approx(0.0001, abs=1e-4),
        pytest.approx(0.1995, abs=1e-4),
    )  # by hand
    back = gain_over(accuracy(90), accuracy(80))
    assert back is not None and back == pytest.approx((-value, -high, -low))
    same = gain_over(accuracy(90), accuracy(90))
    assert same is not None and same[0] == 0 and same[1] == -same[2]


def test_other_tests_are_not_compared() -> None:
    assert gain_over(accuracy(80), accuracy(90, 101)) is None
    assert gain_over(accuracy(80), accuracy(90, tested_on="training images whose labels were hidden")) is None


def test_accuracy_is_read_from_the_result_of_classify(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert accuracy_of(run, "run") is None
    run.write_json("classification", {"errors": None, "labels": 3, "tested_on": ""})
    assert accuracy_of(run, "run") is None
    errors = {"hits": 10, "total": 50, "value": 0.2, "low": 0.1, "high": 0.3}
    run.write_json("classification", {"errors": errors, "labels": 3, "tested_on": "test images"})
    read = accuracy_of(run, "run")
    assert read is not None and (read.value, read.low, read.high, read.labels) == (0.8, 0.7, 0.9, 3)
    run.write_json("classification", {"errors": {"value": math.inf}, "labels": 3})
    with pytest.raises(SparringError, match="damaged"):
        accuracy_of(run, "run")


def test_names_of_trainings_count_up(tmp_path: Path) -> None:
    assert next_name(tmp_path, "few") == "few-labels-1"
    (tmp_path / "few-labels-1").mkdir()
    assert next_name(tmp_path, "few") == "few-labels-2"

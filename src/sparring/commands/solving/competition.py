"""A folder of a competition: labelled rows, rows to predict, and a sample of the file that is to be handed in."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from sparring.commands.solving.task import Unclear
from sparring.engine.errors import SparringError
from sparring.report.format import csv_text

ENCODING = "utf-8-sig"
NO_CLASS = "none of these"
"""Answer of a classifier that a submission cannot hold: the likeliest class takes its place."""


@dataclass(frozen=True)
class Competition:
    """The files of a competition."""

    train: Path
    """Rows with the column to predict."""
    test: Path
    """Rows without it."""
    sample: Path
    """What is to be handed in: an id and the predicted column."""
    id_column: str
    target: str


def find_competition(folder: Path) -> Competition | None:
    """Return the files of a competition in a folder; None where it holds no sample of a submission.

    Raises Unclear where the files do not fit each other.
    """
    if not folder.is_dir():
        return None
    tables = sorted(folder.glob("*.csv"))
    samples = [path for path in tables if "submission" in path.stem.lower() or "submit" in path.stem.lower()]
    if not samples:
        return None
    train = [path for path in tables if path.stem.lower().startswith("train")]
    test = [path for path in tables if path.stem.lower().startswith("test")]
    if len(samples) != 1 or len(train) != 1 or len(test) != 1:
        raise Unclear(f"{folder} holds a sample submission, and not one train*.csv and one test*.csv: give --source")
    header, known, new = (_header(path) for path in (samples[0], train[0], test[0]))
    targets = [name for name in header[1:] if name in known and name not in new]
    if len(header) != 2 or len(targets) != 1 or header[0] not in new:
        raise Unclear(
            f"{samples[0].name} has the columns {', '.join(header[:6])}: an id of {test[0].name} and one column of "
            f"{train[0].name} alone are understood; --source {train[0]} --label COLUMN --predict {test[0]}"
        )
    competition = Competition(train[0], test[0], samples[0], header[0], targets[0])
    _check_ids(competition)
    return competition


def _check_ids(competition: Competition) -> None:
    """Raise Unclear where the ids of the sample and of the rows to predict do not name each other once."""
    ids = [row[competition.id_column] for row in _rows(competition.test)]
    wanted = [row[competition.id_column] for row in _rows(competition.sample)]
    way_out = f"--source {competition.train} --predict {competition.test} reads them without the sample"
    if not ids or not wanted:
        raise Unclear(f"{(competition.sample if ids else competition.test).name} has no rows: {way_out}")
    if len(set(ids)) < len(ids) or len(set(wanted)) < len(wanted):
        raise Unclear(f"ids of '{competition.id_column}' repeat, so that a row has no name: {way_out}")
    if missing := sorted(set(wanted) - set(ids)):
        raise Unclear(
            f"{competition.sample.name} has rows that {competition.test.name} lacks, the first is '{missing[0]}': "
            f"{way_out}"
        )


def submission(competition: Competition, predictions: Path, classes: Sequence[str]) -> str:
    """Return the predictions in the shape of the sample: its ids in its order, and a class, a probability or a number.

    A probability is that of the second of two classes, where the sample holds numbers that are no classes. Raises
    SparringError where a row of the sample has no prediction.
    """
    sample, answers = _rows(competition.sample), _rows(predictions)
    ids = [row[competition.id_column] for row in _rows(competition.test)]
    by_id = {ids[_row_number(answer["name"])]: answer for answer in answers}
    if missing := [row[competition.id_column] for row in sample if row[competition.id_column] not in by_id]:
        raise SparringError(
            f"{competition.sample.name} has rows that were not predicted, the first is '{missing[0]}': look at "
            f"`sparring inspect {competition.test}`"
        )
    as_probability = len(classes) == 2 and not {row[competition.target] for row in sample} <= set(classes)
    rows = [
        (row[competition.id_column], _value(by_id[row[competition.id_column]], classes, as_probability))
        for row in sample
    ]
    return csv_text((competition.id_column, competition.target), rows)


def _value(answer: dict[str, str], classes: Sequence[str], as_probability: bool) -> str:
    if "value" in answer:  # of a regression
        return answer["value"]
    if as_probability:
        p = float(answer["probability"])
        return f"{p if answer['likeliest'] == classes[1] else 1 - p:.6f}"
    return answer["likeliest"] if answer["label"] == NO_CLASS else answer["label"]


def _row_number(name: str) -> int:
    """Return the number of a row, from 0, by its name `line N`: the header is line 1."""
    return int(name.rpartition(" ")[2]) - 2


def _header(path: Path) -> list[str]:
    with _opened(path) as file:
        return next(csv.reader(file, delimiter=_delimiter(file)), [])


def _rows(path: Path) -> list[dict[str, str]]:
    with _opened(path) as file:
        return list(csv.DictReader(file, delimiter=_delimiter(file)))


def _delimiter(file: TextIO) -> str:
    """Return what stands between the cells of the header, a comma or a semicolon."""
    header = file.readline()
    file.seek(0)
    return ";" if header.count(";") > header.count(",") else ","


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a table of text; raise Unclear where it is none."""
    try:
        with open(path, newline="", encoding=ENCODING) as file:
            yield file
    except (UnicodeError, csv.Error) as error:
        raise Unclear(f"{path} is no csv file in UTF-8 ({error}): save it as one") from error

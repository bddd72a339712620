"""Label the examples that a classifier would learn most from, and train with the labels: files of a run."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.commands.training.command_words import training_words
from sparring.commands.training.run_settings import saved_settings
from sparring.engine.atomic_io import write
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.stats.differences import Mean, difference_ends
from sparring.stats.intervals import Z
from sparring.studio.label.answer_log import AnswerLog, LabelAnswer

TABLE = "to_label.csv"


@dataclass(frozen=True)
class Candidate:
    """One line of to_label.csv: an example to label, or one whose label is known."""

    name: str
    label: str
    """Class that is known or was filled in; empty: to be labelled."""
    guess: str
    """Class that the classifier predicts; empty where the label was known to the training."""
    probability: float | None
    reason: str
    """Why its label is worth most."""


def candidates_of(run: Run) -> list[Candidate]:
    """Return the lines of a run's to_label.csv, in their order.

    Raises UsageError where there is none, SparringError where it is damaged.
    """
    path = run.path / TABLE
    if not path.is_file():
        raise UsageError(f"{run.path} has no {TABLE}: `sparring classify` writes it where examples have no label")
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if missing := {"name", "label", "guess"} - set(lines.fieldnames or ()):
            raise ValueError(f"no column {min(missing)}")
        return [_candidate(line) for line in lines]
    except (OSError, csv.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{path} is damaged ({error})"
        raise SparringError(f"{reason}: move it away, and run the command of the training again") from error


def _candidate(line: Mapping[str, Any]) -> Candidate:
    probability = float(line["probability"]) if line.get("probability") else None
    guess, reason = line.get("guess") or "", line.get("why") or ""
    return Candidate(line["name"], line["label"].strip(), guess, probability, reason)


def to_label(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the examples that are to be labelled: those that the classifier guesses, filled in or not."""
    return [candidate for candidate in candidates if candidate.guess]


def labels_table(candidates: Sequence[Candidate], answers: Mapping[str, LabelAnswer]) -> str:
    """Return a table of name and label: those of to_label.csv, and the answers, which count more.

    "Cannot tell" and "none of these" are no class: such an example stays without a label.
    """
    labels = {candidate.name: candidate.label for candidate in candidates if candidate.label}
    for name, answer in answers.items():
        labels[name] = answer.label
    table = io.StringIO()
    lines = csv.writer(table)
    lines.writerow(("name", "label"))
    lines.writerows((name, label) for name, label in labels.items() if label)
    return table.getvalue()


def retraining(run: Run, name: str) -> tuple[list[str], int]:
    """Return the arguments of the training of a run `name` with all labels of `run`, and their number.

    It has the recipe, settings, seed and number of examples of `run`, so that the labels alone differ. Raises
    UsageError where no answer names a class.
    """
    settings, plan = saved_settings(run), run.settings["plan"]
    if settings.command != "classify" or settings.custom_nets:
        raise UsageError(f"{run.path.name} was not trained by `sparring classify`: train it with the table of labels")
    answers, _ = AnswerLog.of(run.path).answers()
    if not any(answer.label for answer in answers.values()):
        raise UsageError("no example has a class yet: label some first")
    table = labels_table(candidates_of(run), answers).encode(errors="surrogateescape")
    path = run.path / f"labels-{hashlib.blake2b(table, digest_size=6).hexdigest()}.csv"
    write(path, table)  # a table for each training: its labels may not change when it is continued
    words = training_words("classify", settings.source, settings.recipe, settings.read)
    words += ["--labels-file", str(path), "--seed", str(settings.seed), "--images", str(plan["images"])]
    return [*words, "--out", str(run.path.parent / name)], table.count(b"\n") - 1


# the gain from labels


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of a run with its 95 % interval, and the number of labels that it was trained with."""

    run: str
    labels: int
    tested_on: str
    value: float
    low: float
    high: float
    total: int
    """Tested examples."""
    gain: tuple[float, float, float] | None = None
    """Difference to the accuracy before, with the ends of its 95 % interval; None: not comparable."""


def accuracy_of(run: Run, name: str) -> Accuracy | None:
    """Return the tested accuracy of a run; None where it is not tested yet. Raises SparringError on damage."""
    fields = run.read_json("classification")
    if fields is None or fields.get("errors") is None:
        return None
    try:
        errors = fields["errors"]
        value, low, high = (1 - float(errors[end]) for end in ("value", "high", "low"))
        return Accuracy(name, int(fields["labels"]), str(fields["tested_on"]), value, low, high, int(errors["total"]))
    except (KeyError, TypeError, ValueError) as error:
        raise SparringError(f"classification.json of {name} is damaged ({error}): train it anew") from error


def gain_over(before: Accuracy, after: Accuracy) -> tuple[float, float, float] | None:
    """Return after - before with its 95 % interval (Newcombe 1998, method 10); None where the tests differ.

    Both are tested on the same examples, and the interval is that of different ones: it is a little too wide.
    """
    if (before.tested_on, before.total) != (after.tested_on, after.total):
        return None
    means = (Mean(after.value, after.total), Mean(before.value, before.total))
    return (after.value - before.value, *difference_ends(*means, Z))


def next_name(folder: Path, name: str) -> str:
    """Return the first free name of a run that is trained after `name`."""
    number = next(k for k in range(1, 10_000) if not (folder / f"{name}-labels-{k}").exists())
    return f"{name}-labels-{number}"

"""Scores of a run, read from the results that commands left in its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sparring.engine.errors import SparringError
from sparring.engine.run_folder import Run


@dataclass(frozen=True)
class Score:
    """One score with its 95 % interval."""

    name: str
    value: float
    low: float | None
    """Lower end of the interval; None where it is not known."""
    high: float | None
    percent: bool = False
    """Whether it is a proportion."""
    real: float | None = None
    """The same score of real data against real data; None where it is not known."""


def scores_of(run: Run) -> tuple[Score, ...]:
    """Return the scores of all results in the folder of a run; a damaged result has none."""
    scores: list[Score] = []
    for name, read in RESULTS.items():
        try:
            if (fields := run.read_json(name)) is not None:
                scores += read(fields)
        except (SparringError, KeyError, TypeError, ValueError, AttributeError):
            continue
    return tuple(scores)


def _evaluation(fields: Mapping[str, Any]) -> Iterator[Score]:
    for score in (*fields.get("scores", ()), *fields.get("kind_scores", ())):
        if score["value"] is not None:
            yield _score(str(score["name"]), score)


def _classification(fields: Mapping[str, Any]) -> Iterator[Score]:
    if fields["errors"] is not None:
        yield _accuracy("accuracy", fields["errors"])
    for attack in fields.get("attacked") or ():
        yield _score(f"accuracy at eps {attack['eps']:.3g}", attack["accuracy"], percent=True)


def _hardening(fields: Mapping[str, Any]) -> Iterator[Score]:
    if fields["clean"]["errors"] is not None:
        yield _accuracy("accuracy", fields["clean"]["errors"])
    if fields["robust"] is not None:
        name = f"robust accuracy, {fields['norm']} {fields['eps']:.3g}"
        yield _score(name, fields["robust"]["accuracy"], percent=True)


def _regression(fields: Mapping[str, Any]) -> Iterator[Score]:
    for number in fields["numbers"]:
        yield _score(f"mean absolute error of {number['name']}", number["error"])


def _accuracy(name: str, errors: Mapping[str, Any]) -> Score:
    return Score(name, 1 - float(errors["value"]), 1 - float(errors["high"]), 1 - float(errors["low"]), True)


def _score(name: str, fields: Mapping[str, Any], percent: bool = False) -> Score:
    low, high = (None if fields[end] is None else float(fields[end]) for end in ("low", "high"))
    real = fields.get("real_baseline", fields.get("beside", {}).get("real halves"))
    return Score(name, float(fields["value"]), low, high, percent, real)


RESULTS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Score]]] = {
    "evaluation": _evaluation, "classification": _classification, "hardening": _hardening, "regression": _regression,
}  # fmt: skip
"""Name of a result in the run folder -> its scores."""

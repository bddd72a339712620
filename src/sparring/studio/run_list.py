"""The list of runs: what each was trained on, how far it is, its state, its scores."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.studio.jobs import Jobs

DEPTH = 3
"""Levels of folders below the folder of runs that are searched."""
RECENT_SECONDS = 60.0
"""A run without a job whose metrics are younger than this counts as running."""
TAIL_BYTES = 4_000


@dataclass(frozen=True)
class RunSummary:
    """One row of the list."""

    name: str
    """Path below the folder of runs."""
    state: str
    """"running", "done", "stopped" or "damaged"."""
    note: str
    """Reason of the state, in words."""
    command: str = ""
    """Command that trained it: train, classify, ..."""
    recipe: str = ""
    source: str = ""
    """Source of the training data, as it was named."""
    kind: str = ""
    """Kind of data."""
    nimg: int = 0
    """Examples seen so far."""
    total: int = 0
    """Examples of the whole training."""
    written: float = 0.0
    """Time of the newest metrics, in seconds since 1970."""
    scores: tuple[tuple[str, float, float, float], ...] = ()
    """Name, value, and the ends of the 95 % interval."""
    thumbnail: str = ""
    """Address of the newest picture."""


def run_names(folder: Path, depth: int = DEPTH) -> Iterator[str]:
    """Yield the run folders below `folder`, as names relative to it; links are not followed."""

    def search(path: str, prefix: str, left: int) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
                continue
            if os.path.exists(os.path.join(entry.path, "run.json")):
                yield prefix + entry.name
            elif left > 1:
                yield from search(entry.path, f"{prefix}{entry.name}/", left - 1)

    yield from search(str(folder), "", depth)


def find_run(folder: Path, name: str) -> Run:
    """Return the run of a name in the list; raise UsageError where the list has none. No path is made of `name`."""
    for known in run_names(folder):
        if known == name:
            return Run(folder / known)
    raise UsageError(f"there is no run '{name}' in {folder}: reload the page")


def summary_of(folder: Path, name: str, jobs: Jobs) -> RunSummary:
    """Return the row of one run; a damaged run has a row as well."""
    run = Run(folder / name)
    try:
        settings = run.settings
        plan, data, recipe = settings["plan"], settings["data"], settings["recipe"]
        total, kind = int(plan["images"]), str(data["spec"]["kind"])
        fields = {"command": settings["command"], "recipe": recipe["name"], "source": data["source"]}
        fields = {key: str(value) for key, value in fields.items()}
    except (SparringError, KeyError, TypeError, ValueError) as error:
        return RunSummary(name, "damaged", str(error) or "run.json is damaged")
    nimg, written = _progress(run.path / "metrics.jsonl")
    state, note = _state(name, nimg, total, written, jobs)
    return RunSummary(
        name, state, note, **fields, kind=kind, nimg=nimg, total=total, written=written, scores=scores_of(run)
    )


def _progress(path: Path) -> tuple[int, float]:
    """Return nimg of the last whole line of metrics.jsonl, and when it was written."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return 0, 0.0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["nimg"]), status.st_mtime
        except (ValueError, TypeError, KeyError):
            continue
    return 0, status.st_mtime


def _state(name: str, nimg: int, total: int, written: float, jobs: Jobs) -> tuple[str, str]:
    job = jobs.latest(name)
    if job is not None and jobs.running(job):
        return "running", ""
    if nimg >= total:
        return "done", ""
    if job is None and time.time() - written < RECENT_SECONDS:
        return "running", "started outside of the studio"
    return "stopped", (jobs.ending(job) if job else "") or "ended before its plan"


def scores_of(run: Run) -> tuple[tuple[str, float, float, float], ...]:
    """Return the scores of `sparring evaluate`, and the accuracy of a classifier, with intervals; none if damaged."""
    scores: list[tuple[str, float, float, float]] = []
    try:
        for score in (run.read_json("evaluation") or {}).get("scores", []):
            scores.append((str(score["name"]), *_interval(score)))
        if (tested := run.read_json("classification")) is not None and tested.get("accuracy"):
            scores.append(("accuracy", *_interval(tested["accuracy"])))
    except (SparringError, KeyError, TypeError, ValueError, AttributeError):
        return ()
    return tuple(scores)


def _interval(fields: dict[str, Any]) -> tuple[float, float, float]:
    return float(fields["value"]), float(fields["low"]), float(fields["high"])

"""The list of runs: what each was trained on, how far it is, its state, its scores."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run, metrics_of
from sparring.studio.jobs import Job, Jobs
from sparring.studio.run_scores import Score, scores_of

DEPTH = 3
"""Levels of folders below the folder of runs that are searched."""
RECENT_SECONDS = 60.0
"""A run without a job whose metrics are younger than this counts as running."""
STARTED_SECONDS = 86_400.0
"""A job that has written no run is listed for this long."""
TAIL_BYTES = 4_000
MAX_JSON = 20_000_000
"""Largest size of a JSON file of a run, in bytes."""
MAX_REASON = 300
"""Largest number of letters of a message in the list."""


@dataclass(frozen=True)
class RunSummary:
    """One row of the list."""

    name: str
    """Path below the folder of runs."""
    state: str
    """"running", "done", "stopped", "failed" or "damaged"; "starting" before there is a run folder."""
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
    scores: tuple[Score, ...] = ()
    thumbnail: str = ""
    """Address of the newest picture."""
    job: str = ""
    """Id of the newest job that wrote the run; empty: none."""


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
            if reason := _strange_entry(folder / known):
                raise UsageError(f"the run '{name}' is not opened: {reason}")
            return Run(folder / known)
    raise UsageError(f"there is no run '{name}' in {folder}: reload the page")


def newest_frame(run: Run) -> Path | None:
    """Return the path of the newest picture; None where there is none. It is `run.frames()[-1]` without the others."""
    folder = run.path / "samples"
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".png") and name[:-4].isdecimal()]
    except OSError:
        return None
    return folder / max(names, key=lambda name: int(name[:-4])) if names else None


def summary_of(folder: Path, name: str, jobs: Jobs) -> RunSummary:
    """Return the row of one run; a damaged run has a row as well."""
    run = Run(folder / name)
    if (shown := name.encode(errors="backslashreplace").decode()) != name:
        return RunSummary(shown, "damaged", "the name of the folder is no text: rename it")
    if reason := _strange_entry(run.path):
        return RunSummary(name, "damaged", reason)
    try:
        settings = run.settings
        plan, data, recipe = settings["plan"], settings["data"], settings["recipe"]
        total, kind = int(plan["images"]), str(data["spec"]["kind"])
        fields = {"command": settings["command"], "recipe": recipe["name"], "source": data["source"]}
        fields = {key: str(value) for key, value in fields.items()}
    except (SparringError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = str(error) if isinstance(error, SparringError) else "run.json is damaged: train anew"
        return RunSummary(name, "damaged", reason[:MAX_REASON])
    nimg, written = _progress(run.path / "metrics.jsonl")
    job = jobs.latest(name)
    state, note = _state(job, nimg, total, written, jobs)
    return RunSummary(
        name, state, note, **fields, kind=kind, nimg=nimg, total=total, written=written, scores=scores_of(run),
        job=job.id if job else "",
    )  # fmt: skip


def _strange_entry(path: Path) -> str:
    """Return why a run folder is not read: it holds a link, a pipe, a device or too large a JSON file."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                    return f"'{entry.name}' in it is neither a file nor a folder: remove it"
                if entry.name.endswith(".json") and entry.stat(follow_symlinks=False).st_size > MAX_JSON:
                    return f"'{entry.name}' in it is larger than {MAX_JSON / 1e6:.0f} MB: remove it"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return ""


def started_jobs(jobs: Jobs, names: set[str]) -> Iterator[RunSummary]:
    """Yield a row for each newer job whose run folder is not among `names`: it is starting, or has failed."""
    for job in jobs.all():
        if job.out and job.out not in names and time.time() - job.started < STARTED_SECONDS:
            names.add(job.out)
            state, note = ("starting", "") if jobs.running(job) else ("failed", _reason(job, jobs))
            yield RunSummary(
                job.out, state, note, command=job.args[0], source=job.args[1], written=job.started, job=job.id
            )


def _progress(path: Path) -> tuple[int, float]:
    """Return nimg of the last whole line of metrics.jsonl, and when it was written."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - TAIL_BYTES))
            lines = list(metrics_of(file.read().decode(errors="replace")))
    except OSError:
        return 0, 0.0
    return (int(lines[-1]["nimg"]) if lines else 0), status.st_mtime


def _state(job: Job | None, nimg: int, total: int, written: float, jobs: Jobs) -> tuple[str, str]:
    if job is not None and jobs.running(job):
        return "running", ""
    if nimg >= total:
        return "done", ""
    if job is None and time.time() - written < RECENT_SECONDS:
        return "running", "started outside of the studio: stop it there"
    if job is None:
        return "stopped", f"no metrics for {RECENT_SECONDS:.0f} seconds or more, before the end of its plan"
    return "stopped", _reason(job, jobs)


def _reason(job: Job, jobs: Jobs) -> str:
    """Return how a job ended, with the last line that it printed where it failed."""
    ending = jobs.ending(job) or "ended before its plan"
    last = next((line for line in reversed(jobs.log(job).splitlines()) if line.strip()), "")
    return f"{ending}: {last[:MAX_REASON]}" if last and not ending.startswith(("stopped", "killed")) else ending

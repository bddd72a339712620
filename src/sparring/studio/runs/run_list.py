"""The list of runs: what each was trained on, how far it is, its state, its scores."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run, metrics_of
from sparring.commands.reporting.run_scores import Score, scores_of
from sparring.studio.server.jobs import Job, Jobs

DEPTH = 3
"""Levels of folders below the folder of runs that are searched."""
RECENT_SECONDS = 60.0
"""A run whose metrics are younger than this, and newer than the end of its job, counts as running."""
STARTED_SECONDS = 86_400.0
"""A job that has written no run is listed for this long."""
TAIL_BYTES = 4_000
MAX_JSON = 20_000_000
"""Largest size of a JSON file of a run, in bytes."""
CACHED_RUNS = 4096
"""Runs whose files are not read again while they are the same."""
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
            _signature(folder / known)
            return Run(folder / known)
    raise UsageError(f"there is no run '{name}' in {folder}: reload the page")


def newest_frame(run: Run) -> Path | None:
    """Return the path of the newest picture; None where there is none. It is `run.frames()[-1]` without the others."""
    folder = run.path / "samples"
    try:
        name = _newest(str(folder), os.stat(folder).st_mtime_ns)
    except OSError:
        return None
    return folder / name if name else None


def summary_of(folder: Path, name: str, jobs: Jobs) -> RunSummary:
    """Return the row of one run; a damaged run has a row as well."""
    if (shown := name.encode(errors="backslashreplace").decode()) != name:
        return RunSummary(shown, "damaged", "the name of the folder is no text: rename it")
    try:
        facts = _facts(folder / name, _signature(folder / name))
    except (SparringError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = str(error) if isinstance(error, SparringError) else "run.json is damaged: train anew"
        return RunSummary(name, "damaged", reason[:MAX_REASON])
    job = jobs.latest(name)
    state, note = _state(job, facts.nimg, facts.total, facts.written, jobs)
    return replace(facts, name=name, state=state, note=note, job=job.id if job else "")


@lru_cache(maxsize=CACHED_RUNS)
def _facts(path: Path, signature: tuple[object, ...]) -> RunSummary:
    """Return what the files of a run tell; they are read anew when `signature` changes."""
    run = Run(path)
    settings = run.settings
    plan, data, recipe = settings["plan"], settings["data"], settings["recipe"]
    nimg, written = _progress(path / "metrics.jsonl")
    return RunSummary(
        "", "", "", command=str(settings["command"]), recipe=str(recipe["name"]), source=str(data["source"]),
        kind=str(data["spec"]["kind"]), nimg=nimg, total=int(plan["images"]), written=written, scores=scores_of(run),
    )  # fmt: skip


def _signature(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return names, times and sizes of what is in a run folder.

    Raises UsageError where it holds what is not read: a link, a pipe, a device, or too large a JSON file.
    """
    try:
        with os.scandir(path) as entries:
            listing = [(entry, entry.stat(follow_symlinks=False)) for entry in entries]
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read: {error.strerror}") from error
    for entry, status in listing:
        if not (S_ISREG(status.st_mode) or S_ISDIR(status.st_mode)):
            raise UsageError(f"'{entry.name}' in {path.name} is neither a file nor a folder: remove it")
        if entry.name.endswith(".json") and status.st_size > MAX_JSON:
            raise UsageError(f"'{entry.name}' in {path.name} is larger than {MAX_JSON / 1e6:.0f} MB: remove it")
    return tuple((entry.name, status.st_mtime_ns, status.st_size) for entry, status in listing)


@lru_cache(maxsize=CACHED_RUNS)
def _newest(folder: str, modified: int) -> str:
    names = [name for name in os.listdir(folder) if name.endswith(".png") and name[:-4].isdecimal()]
    return max(names, key=lambda name: int(name[:-4]), default="")


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
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return 0, 0.0
    newest = next((line for text in reversed(lines) for line in metrics_of(text)), None)
    return (int(newest["nimg"]) if newest else 0), status.st_mtime


def _state(job: Job | None, nimg: int, total: int, written: float, jobs: Jobs) -> tuple[str, str]:
    if job is not None and jobs.running(job):
        return "running", ""
    if nimg >= total:
        return "done", ""
    if written > max(time.time() - RECENT_SECONDS, jobs.ended(job) if job else 0):
        return "running", "started outside of the studio: stop it there"
    if job is None:
        return "stopped", f"no metrics for {RECENT_SECONDS:.0f} seconds or more, before the end of its plan"
    return "stopped", _reason(job, jobs)


def _reason(job: Job, jobs: Jobs) -> str:
    """Return how a job ended, with the last line that it printed where it failed."""
    ending = jobs.ending(job) or "ended before its plan"
    last = next((line for line in reversed(jobs.log(job).splitlines()) if line.strip()), "")
    return f"{ending}: {last[:MAX_REASON]}" if last and not ending.startswith(("stopped", "killed")) else ending

"""Commands that the page started: processes of their own, so that neither side can harm the other.

A job outlives the server. Its folder `.studio/jobs/ID` below the folder of runs keeps `job.json` and `log.txt`.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparring.engine.atomic_io import explain_os_errors, remove, write
from sparring.engine.errors import SparringError, UsageError

LOG_BYTES = 20_000
"""Bytes at the end of a log that are shown."""


@dataclass(frozen=True)
class Job:
    """One command that was started."""

    id: str
    args: tuple[str, ...]
    """Arguments of `sparring`."""
    out: str
    """Run folder that the command writes, by its name below the folder of runs; empty: none."""
    pid: int
    birth: str
    """Start of the process by the system's clock ticks, which tells it from a later one of the same pid."""
    started: float
    """Start in seconds since 1970."""

    @property
    def command(self) -> str:
        """The command line."""
        return command_line(self.args)


class Jobs:
    """The jobs of one folder of runs, those of earlier servers among them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ".studio" / "jobs"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._jobs: dict[str, Job] = {}
        self._ended: dict[str, float] = {}
        for path in self.folder.glob("*/job.json"):
            if (job := _read(path)) is not None:
                self._jobs[job.id] = job

    def start(self, args: Sequence[str], out: str = "") -> Job:
        """Start `sparring ARGS`; raise UsageError where a job already writes the run `out`."""
        if out and (other := self.writing(out)) is not None:
            raise UsageError(f"{out} is being written by `{other.command}`: stop it first, or choose another name")
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        folder = self.folder / name
        with explain_os_errors(folder):
            folder.mkdir(parents=True)
            with open(folder / "log.txt", "wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "sparring", *args],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
        job = Job(name, tuple(args), out, process.pid, _birth(process.pid), time.time())
        try:
            write(folder / "job.json", json.dumps(asdict(job)))
        except SparringError:  # without its record the page could not stop it
            process.kill()
            process.wait()
            remove(folder)
            raise
        self._jobs[name], self._processes[name] = job, process
        return job

    def get(self, name: str) -> Job:
        """Return the job of an id; raise UsageError if there is none."""
        if name not in self._jobs:
            raise UsageError("no such job: reload the page")
        return self._jobs[name]

    def all(self) -> list[Job]:
        """Return all jobs, the newest first."""
        return sorted(self._jobs.values(), key=lambda job: job.id, reverse=True)

    def writing(self, out: str) -> Job | None:
        """Return the running job that writes the run `out`."""
        return next((job for job in self.all() if job.out == out and self.running(job)), None)

    def latest(self, out: str) -> Job | None:
        """Return the newest job that wrote the run `out`."""
        return next((job for job in self.all() if job.out == out), None)

    def running(self, job: Job) -> bool:
        """Return whether the process of a job is alive."""
        process = self._processes.get(job.id)
        alive = process.poll() is None if process is not None else _birth(job.pid) == job.birth != ""
        if not alive:
            self._ended.setdefault(job.id, time.time())
        return alive

    def ended(self, job: Job) -> float:
        """Return when a job was first found to have ended, in seconds since 1970; infinity while it runs."""
        return math.inf if self.running(job) else self._ended[job.id]

    def ending(self, job: Job) -> str:
        """Return how a job ended, as a phrase; empty while it runs, and where an earlier server started it."""
        process = self._processes.get(job.id)
        code = process.poll() if process is not None else None
        if code is None:
            return ""
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return {0: "done", 75: "stopped, everything is saved"}.get(code, f"failed with exit code {code}")

    def stop(self, job: Job) -> None:
        """Send SIGTERM to a job: a training saves, and ends."""
        if self.running(job):
            os.kill(job.pid, signal.SIGTERM)

    def log(self, job: Job) -> str:
        """Return the end of what a job printed."""
        path = self.folder / job.id / "log.txt"
        try:
            with open(path, "rb") as file:
                file.seek(max(0, path.stat().st_size - LOG_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""


def command_line(args: Sequence[str]) -> str:
    """Return the command that `args` are the arguments of, as a shell takes it."""
    return shlex.join(["sparring", *args])


def _read(path: Path) -> Job | None:
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Job(**{**fields, "args": tuple(fields["args"])})
    except (OSError, ValueError, TypeError, KeyError):  # the page lists the others
        return None


def _birth(pid: int) -> str:
    """Return when a process was started, in ticks of the system; empty where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        state, *rest = stat.rpartition(")")[2].split()
        return "" if state == "Z" else rest[18]
    except OSError:
        pass
    if sys.platform == "linux":
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"

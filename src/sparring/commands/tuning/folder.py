"""The folder of a tuning: its settings, its locks and its result. Several processes may work in it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Any

from filelock import FileLock

from sparring.commands.training.command_words import training_words
from sparring.data.reader_api import ReadOptions
from sparring.engine.atomic_io import explain_os_errors, write
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import FORMAT, read_json

FILE = "tuning.json"


@dataclass(frozen=True)
class TuningFolder:
    """RUN/: tuning.json, tuning.journal, trials/000, repeats/defaults-1, report.html; and locks/, of living processes.

    A lock ends with its process, so what a killed process left is taken up by the next one.
    """

    path: Path

    def settings(self, wanted: dict[str, Any], complete: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the settings of the tuning here, or store `wanted` with what `complete` finds out.

        Raises UsageError where the tuning was begun with other settings, or the folder holds something else.
        """
        with explain_os_errors(self.path):
            if self.path.is_file():
                raise UsageError(f"{self.path} is a file: choose another --out")
            file = self.path / FILE
            if not file.exists() and self.path.is_dir() and {p.name for p in self.path.iterdir()} - {"locks", ".probe"}:
                raise UsageError(f"{self.path} is not empty and no folder of `sparring tune`: choose another --out")
            with self.lock("tuning"):
                if not file.exists():
                    self.write({"settings": {**wanted, **complete()}})
        saved: dict[str, Any] = read_json(file, "tuning")["settings"]
        for name, value in json.loads(json.dumps(wanted)).items():
            if value is not None and saved[name] != value:
                raise UsageError(
                    f"{self.path} was begun with other settings: {name} is {saved[name]} there, {value} was requested. "
                    "Give the same ones, or choose another --out"
                )
        return saved

    def write(self, content: dict[str, Any]) -> None:
        """Write tuning.json."""
        write(self.path / FILE, json.dumps({"format": FORMAT, **content}, indent=2) + "\n")

    def lock(self, name: str) -> FileLock:
        """Return the lock of a trial, a repeat or the folder itself."""
        locks = self.path / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        return FileLock(locks / f"{name}.lock")

    def trial(self, number: int) -> Path:
        """Return the run of a trial."""
        return self.path / "trials" / f"{number:03d}"

    def repeat(self, name: str, seed: int) -> Path:
        """Return the run that repeats the settings `name` with another seed."""
        return self.path / "repeats" / f"{name}-{seed}"

    @property
    def owner(self) -> str:
        """Name of this folder on this machine."""
        return f"{platform.node()}:{self.path.resolve()}"


def digest(settings: dict[str, Any]) -> str:
    """Return a name for these settings: processes that share a storage meet under it."""
    return hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=8).hexdigest()


def command_line(command: str, source: str, recipe: Any, read: ReadOptions, images: int) -> str:
    """Return the command that trains a recipe with these settings on all training examples."""
    return join(["sparring", *training_words(command, source, recipe, read), "--images", str(images)])

"""The runs with a classifier, and the examples of their data, kept open between two requests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from sparring.commands.training.run_settings import open_run_data
from sparring.data.dataset import Dataset
from sparring.engine.errors import SparringError
from sparring.engine.run_folder import Run
from sparring.models.capabilities import Predictor
from sparring.models.load import saved_capabilities
from sparring.studio.runs.run_list import run_names

KEPT = 4
"""Data sets that stay open."""


def classifier_runs(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield name and kind of data of each run below `folder` with a saved classifier; damaged ones are left out."""
    for name in run_names(folder):
        run = Run(folder / name)
        try:
            capabilities = saved_capabilities(run.path).values()
            kind = str(run.settings["data"]["spec"]["kind"])
        except (SparringError, KeyError, TypeError):
            continue
        if any(Predictor.__name__ in names for names in capabilities):
            yield {"name": name, "kind": kind, "to_label": (run.path / "to_label.csv").is_file()}


def data_of(run: Run) -> Dataset:
    """Return the training data of a run; raise SparringError or UsageError where they are gone or have changed."""
    try:
        written = (run.path / "run.json").stat().st_mtime_ns
    except OSError:
        written = 0
    return _open(run.path, written)


def held_out(run: Run) -> tuple[Dataset, str]:
    """Return the test examples of a run's data and their description; of data without, those of the training."""
    data = data_of(run)
    test = data.split("test")
    return (test, f"test {data.report.unit}") if len(test) else (data, f"training {data.report.unit}")


@lru_cache(KEPT)
def _open(path: Path, written: int) -> Dataset:
    return open_run_data(Run(path))

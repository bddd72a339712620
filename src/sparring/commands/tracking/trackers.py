"""Trackers: each opens a run of its service and returns a callable `(values, images, nimg)` and a way to close it.

A tracker is imported when it is named, never because it is installed. Each continues its own run by an id that is kept
in the run folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sparring.engine.errors import UsageError

Log = Callable[[Mapping[str, float], Mapping[str, Path], int], None]
"""(values by name, picture files by name, nimg) -> None."""


@dataclass(frozen=True)
class RunFacts:
    """What a tracker is given about a run."""

    name: str
    folder: Path
    """Folder in the run folder for files of the tracker."""
    settings: Mapping[str, Any]
    """Recipe and settings, flat: "recipe.lr" -> 0.001."""
    project: str
    id: str
    """Id that the tracker returned before; empty at first."""


@dataclass(frozen=True)
class Tracker:
    """An open run of a tracking service."""

    log: Log
    close: Callable[[], None]
    id: str
    """Id by which the service continues this run."""
    place: str
    """Where to look: a command or an address."""


def tensorboard(facts: RunFacts) -> Tracker:
    """Write event files for TensorBoard below the run folder."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(facts.folder))
    if not facts.id:
        writer.add_text("settings", "\n".join(f"    {name}: {value}" for name, value in facts.settings.items()), 0)

    def log(values: Mapping[str, float], images: Mapping[str, Path], nimg: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, nimg)
        for name, path in images.items():
            with Image.open(path) as picture:
                writer.add_image(name, np.asarray(picture.convert("RGB")), nimg, dataformats="HWC")

    return Tracker(log, writer.close, "events", f"tensorboard --logdir {facts.folder}")


def mlflow(facts: RunFacts) -> Tracker:
    """Log to the MLflow server of MLFLOW_TRACKING_URI, or to MLflow's default store."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient()
    if facts.id:
        run_id = facts.id
    else:
        experiment = client.get_experiment_by_name(facts.project)
        number = experiment.experiment_id if experiment else client.create_experiment(facts.project)
        run_id = client.create_run(number, run_name=facts.name).info.run_id
        client.log_batch(run_id, params=[Param(name, str(value)[:500]) for name, value in facts.settings.items()])

    def log(values: Mapping[str, float], images: Mapping[str, Path], nimg: int) -> None:
        now = int(time.time() * 1000)
        client.log_batch(run_id, [Metric(name, value, now, nimg) for name, value in values.items()])
        for path in images.values():
            client.log_artifact(run_id, str(path), "samples")

    return Tracker(log, lambda: client.set_terminated(run_id), run_id, f"run {run_id} of MLflow")


def wandb(facts: RunFacts) -> Tracker:
    """Log to Weights & Biases, with the account and mode that its own settings name."""
    import wandb as service

    run_id = facts.id or service.util.generate_id()
    run = service.init(
        project=facts.project, name=facts.name, id=run_id, resume="allow", config=dict(facts.settings),
        dir=str(facts.folder.parent),
    )  # fmt: skip

    def log(values: Mapping[str, float], images: Mapping[str, Path], nimg: int) -> None:
        pictures = {name: service.Image(str(path)) for name, path in images.items()}
        run.log({**values, **pictures, "nimg": nimg}, step=nimg)

    return Tracker(log, run.finish, run_id, str(run.url or "wandb, offline"))


def trackio(facts: RunFacts) -> Tracker:
    """Log to Trackio's local store, or to the space that its own settings name."""
    import trackio as service

    run = service.init(project=facts.project, name=facts.name, resume="allow", config=dict(facts.settings))

    def log(values: Mapping[str, float], images: Mapping[str, Path], nimg: int) -> None:
        pictures = {name: service.Image(str(path)) for name, path in images.items()}
        run.log({**values, **pictures}, step=nimg)

    return Tracker(log, run.finish, facts.name, f"trackio show --project {facts.project}")


TRACKERS: dict[str, tuple[Callable[[RunFacts], Tracker], str]] = {
    "tensorboard": (tensorboard, "tensorboard"),
    "mlflow": (mlflow, "mlflow-skinny"),
    "wandb": (wandb, "wandb"),
    "trackio": (trackio, "trackio"),
}
"""Name -> (function that opens it, package to install)."""


def open_tracker(name: str, facts: RunFacts) -> Tracker:
    """Open the tracker of this name; raise UsageError where its package is missing."""
    opens, package = TRACKERS[name]
    try:
        return opens(facts)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name:
            raise
        raise UsageError(f"{name} is not installed: pip install {package}") from error

"""Flags of `sparring track`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

Switch = Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff]


@dataclass(frozen=True)
class TrackFlags:
    """Send metrics and samples of a run to an experiment tracker, during the training or afterwards.

    It is a process of its own that reads the run folder, so that it can neither slow nor stop the training. What was
    sent before is not sent again.
    """

    run: Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
    """Run folder of a training."""
    to: Annotated[str, arg(metavar="NAME")] = "tensorboard"
    """Tracker: tensorboard, mlflow, wandb or trackio."""
    project: Annotated[str, arg(metavar="NAME")] = "sparring"
    """Project of wandb and trackio, experiment of mlflow."""
    once: Switch = False
    """Whether to send what is there and stop, instead of waiting for more until the training ends."""
    json: Switch = False
    """Print one JSON object to stdout at the end."""

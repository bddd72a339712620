"""Flags of `sparring explain`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg


@dataclass(frozen=True)
class ExplainFlags:
    """State in sentences what the handles of a model change, and measure how often the sentences hold."""

    run: Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
    """Run folder of a generator with a latent, of images or sounds; or of a classifier of images."""
    data: Annotated[str | None, arg(metavar="SOURCE", help_behavior_hint="(default: the data of the run)")] = None
    """Classifiers: examples to edit, of the test split where there is one."""
    finder: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: regression)")] = None
    """Generators: how directions are found: regression, means, sefa or pca."""
    handles: Annotated[int | None, arg(metavar="K", help_behavior_hint="(default: 8)")] = None
    """Generators: largest number of handles, from 1 to 8."""
    n: Annotated[int, arg(aliases=("-n",), metavar="N")] = 400
    """Number of fresh cases on which the sentences are tested, and of others from which they are written."""
    seed: Annotated[int, arg(metavar="S")] = 0
    """Random seed of the latents and of the random directions."""
    checkpoint: Annotated[str | None, arg(metavar="best|last|N", help_behavior_hint="(default: the saved model)")] = (
        None
    )
    """Checkpoint whose weights are used: the best, the last, or the one at image N."""
    device: Annotated[str, arg(metavar="NAME")] = "auto"
    """Generators: device to compute on: auto, cpu, cuda or mps."""
    json: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Print one JSON object to stdout."""

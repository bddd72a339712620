"""`sparring explain`: what the handles of a model change, in sentences that are tested on fresh samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sparring.commands.explaining.generator import (
    DIRECTIONS,
    FIT_SAMPLES,
    RANDOM_LATENTS,
    check_finder,
    generator_effects,
    has_latent,
    shown_samples,
)
from sparring.commands.explaining.page import explanation_page
from sparring.commands.explaining.result import NAME, Explanation
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.interrupt import explain_interrupt
from sparring.engine.atomic_io import write
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.safetensors_io import digest
from sparring.engine.seeds import check_seed
from sparring.engine.version import __version__
from sparring.models.generator import GeneratorModel
from sparring.models.load import load

MOST_HANDLES = 8
"""Largest number of handles: an explanation as long as the model explains nothing."""
LEAST_SAMPLES, MOST_SAMPLES = 50, 10_000


@explain_interrupt("stopped: nothing was written. The same command starts again; a smaller -n is faster")
def explain(
    run: str | Path,
    *,
    finder: str = "regression",
    handles: int = MOST_HANDLES,
    n: int = 400,
    seed: int = 0,
    checkpoint: str | int | None = None,
    device: str = "auto",
    net: nn.Module | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Return handles of the generator of `run`, a sentence for each, and how often these hold on `n` fresh samples.

    `finder` is "regression", "means", "sefa" or "pca"; it gives `handles` directions at most. Writes explain.json,
    explain.safetensors (the directions) and explain.html into the run folder; `read_handles` reads them. `net` is the
    network of a run with custom networks. Raises UsageError on settings that do not fit, and on models without a
    latent or without readings.
    """
    check_finder(finder)
    check_seed(seed)
    if not 1 <= handles <= MOST_HANDLES:
        raise UsageError(f"--handles must be from 1 to {MOST_HANDLES}, not {handles}: more would explain nothing")
    if not LEAST_SAMPLES <= n <= MOST_SAMPLES:
        raise UsageError(f"-n must be from {LEAST_SAMPLES} to {MOST_SAMPLES:,}, not {n:,}")
    progress = progress or Progress()
    hardware = Hardware.find(device, "auto")
    model = _generator(run, checkpoint, net)
    hardware.to_device(model.generator)
    progress.info(f"plan: {handles} handles by {finder}, {n:,} fresh samples, {DIRECTIONS} random directions")
    effects, readings = generator_effects(model, finder, handles, n, seed, hardware, progress)
    folder = Path(run) if Path(run).is_dir() else Path(run).parent
    protocol = {
        "finder": finder, "seed": seed, "fresh samples": n, "samples for directions": max(FIT_SAMPLES, n),
        "random directions": DIRECTIONS, "latents of a random direction": RANDOM_LATENTS,
        "deviations": {name: round(value, 5) for name, value in zip(
            readings.names, readings.deviations.tolist(), strict=True)},
        "checkpoint": str(checkpoint or "saved model"), "weights": digest(model.generator.state_dict()),
        "versions": {"sparring": __version__, "torch": torch.__version__},
    }  # fmt: skip
    result = Explanation(folder, effects, protocol)
    result.save()
    shown = [shown_samples(model, handle, seed) for handle in effects.handles]
    write(folder / f"{NAME}.html", explanation_page(result, model.spec, shown))
    return result


def _generator(run: str | Path, checkpoint: str | int | None, net: nn.Module | None) -> GeneratorModel:
    """Return the generator of a run; raise UsageError on models without a latent."""
    options: dict[str, Any] = {} if checkpoint is None else {"checkpoint": checkpoint}
    model = load(run, net=net, **options)
    if not isinstance(model, GeneratorModel) or not has_latent(model):
        raise UsageError(
            f"{run} holds a model without a latent vector, such as a density model or trees, and has no handles: "
            "`explain` takes generators as r3, biggan or dcgan"
        )
    return model


def to_text(result: Explanation) -> str:
    """Return the lines that the command prints."""
    return result.to_text()

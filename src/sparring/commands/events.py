"""What happens while a training goes on: a line of metrics, a frame of the film, a measure and a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sparring.commands.plan import Plan
from sparring.commands.progress import Progress
from sparring.data.dataset import Images
from sparring.engine import dist
from sparring.engine.checkpoint import check_finite
from sparring.engine.loop import Due, System
from sparring.engine.pictures import grid, to_bytes
from sparring.engine.run import Run
from sparring.measure.sliced import sliced_wasserstein
from sparring.recipes.model import Model

SHOWN = 64
"""Samples in a frame, of fixed noise: eight rows."""
MEASURED = 1000
"""Samples in the sliced Wasserstein distance, at most; fewer where they would fill more than MEASURED_BYTES."""
MEASURED_BYTES = 64 << 20


def events(
    run: Run, plan: Plan, system: System, model: Model, data: Images, say: Progress, card: Mapping[str, Any]
) -> list[Due]:
    """What is due when: logging, showing, then measuring and saving together, so that a checkpoint comes last."""
    players = system.game.players
    columns = len(data.spec.classes) if model.conditional and len(data.spec.classes) <= 16 else 8
    z, y = model.latents_of(range(SHOWN // 8 * columns), seed=0)
    if model.conditional:
        y = torch.arange(len(z)) % len(data.spec.classes)  # a class a column
    held_out = _held_out(data)

    def log(nimg: int, means: Mapping[str, float]) -> None:
        if dist.rank() == 0 and means:
            run.log(nimg, means)
            say.at(nimg, {name: means[name] for name in players if name in means})

    def show(nimg: int, means: Mapping[str, float]) -> None:
        if dist.rank() == 0:
            run.show(nimg, grid(to_bytes(model.generate(z, y)), columns))

    def measure_and_save(nimg: int, means: Mapping[str, float]) -> None:
        check_finite(players.items(), nimg)
        dist.check_agreement(players.items())
        if dist.rank() == 0:
            run.log(nimg, {"sliced_wasserstein": sliced_wasserstein(_samples(model, len(held_out)), held_out)})
            run.write_model(model.generator.state_dict(), {**card, "nimg": nimg})
            run.save(system, nimg)

    return [Due(plan.log_every, log), Due(plan.show_every, show), Due(plan.save_every, measure_and_save)]


def _held_out(data: Images) -> Tensor:
    """Up to a thousand images of the test split, or of the training split where there is none, in [-1, 1]."""
    split: Literal["train", "test"] = "test" if data.report.splits["test"] else "train"
    images = data.split(split)
    count = max(min(MEASURED, MEASURED_BYTES // (4 * math.prod(data.spec.shape))), 16)
    return _floats(images[np.random.default_rng(0).permutation(len(images))[:count]])


def _samples(model: Model, count: int) -> Tensor:
    return _floats(np.concatenate(list(model.samples(count, seed=1))))


def _floats(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1

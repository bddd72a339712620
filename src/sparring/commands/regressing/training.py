"""Play the game of a regressor to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from sparring.commands.regressing.parts import Parts, parts_of
from sparring.commands.regressing.trees import losses_of
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.callbacks import log_metrics
from sparring.commands.training.plan import Plan, PostTraining
from sparring.commands.training.request import TrainRequest
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.loader import BatchLoader
from sparring.engine.checkpoint import check_finite
from sparring.engine.loop import Callback, System
from sparring.recipes.supervised.quantiles import PLAYER

SCORE = "validation_loss"
"""Metric of a checkpoint: the mean pinball loss on the validation examples."""


def start_regressor(request: TrainRequest, progress: Progress | None) -> tuple[TrainingSession, Dataset, Parts]:
    """Return the session of `sparring regress` with a resolved recipe, its data, and their parts."""
    request = replace(request, read=replace(request.read, numeric_label=True))
    session = TrainingSession.start("regress", request, progress)
    data = session.open_data()
    parts = parts_of(data, session.settings.source, session.settings.recipe.coverage)
    return session.resolve(data), data, parts


def play_regressor(session: TrainingSession, data: Dataset, parts: Parts) -> nn.Module:
    """Train the network of a session on the examples to learn from; return its average, in eval mode."""
    settings = session.settings
    loader = BatchLoader(
        data, settings.recipe.batch_size, seed=settings.seed, labelled=0, among=parts.learning,
        device=session.hardware.device,
    )  # fmt: skip

    def callbacks(system: System, plan: Plan) -> list[Callback]:
        return [log_metrics(session, plan, (PLAYER,)), _checkpoint(session, plan, system, data, parts)]

    system = session.play(data, loader, callbacks, lambda system: PostTraining("calibration and testing", 0.0))
    return averaged(system).eval()


def averaged(system: System) -> nn.Module:
    """Return the averaged network."""
    nets: Any = system.ema.net
    net: nn.Module = nets[PLAYER]
    return net


def _checkpoint(session: TrainingSession, plan: Plan, system: System, data: Dataset, parts: Parts) -> Callback:
    """Measure the loss on the validation examples, then save a checkpoint."""
    run, net = session.run, averaged(system)
    begin, before = time.monotonic(), max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0)

    def save(nimg: int, means: Mapping[str, float]) -> None:
        check_finite(system.game.players.items(), nimg)
        if not any(line["nimg"] == nimg and "minutes" in line for line in run.metrics()):  # the end of a finished run
            with torch.no_grad():
                loss = losses_of(net, data, parts.validation, session.settings.recipe).mean()
            run.log(nimg, {SCORE: float(loss), "minutes": round(before + (time.monotonic() - begin) / 60, 3)})
        run.save(system, nimg)

    return Callback(plan.save_every, save)

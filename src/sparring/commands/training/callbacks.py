"""What happens while a training goes on: a line of metrics, a frame of the film, a measure and a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sparring.commands.reporting.progress import Progress
from sparring.commands.training.monitor import watch
from sparring.commands.training.plan import Plan
from sparring.data.dataset import Dataset
from sparring.engine import dist
from sparring.engine.checkpoint import check_finite
from sparring.engine.image_io import grid, to_uint8
from sparring.engine.loop import Callback, System
from sparring.engine.run_folder import Run
from sparring.measure.diagnostics.gan_diagnostics import SCORE
from sparring.models.generator import GeneratorModel

SHOWN = 64
"""Samples in a frame, of fixed noise: eight rows."""


def events(
    run: Run,
    plan: Plan,
    system: System,
    model: GeneratorModel,
    data: Dataset,
    progress: Progress,
) -> list[Callback]:
    """What is due when: logging, showing, then measuring and saving together, so that a checkpoint comes last."""
    players = system.game.players
    classes = len(model.counts) if model.conditional else 0
    columns = classes if 0 < classes <= 16 else 8
    z, y = model.draw_inputs(range(SHOWN // 8 * columns), seed=0)
    if classes:
        y = torch.arange(len(z)) % classes  # a class a column
    measure = watch(system.game, model, data, plan)

    def log(nimg: int, means: Mapping[str, float]) -> None:
        if dist.rank() == 0 and means:
            run.log(nimg, means)
            progress.update(nimg, {name: means[name] for name in players if name in means})

    def show(nimg: int, means: Mapping[str, float]) -> None:
        if dist.rank() == 0:
            run.save_frame(nimg, grid(to_uint8(model.generate(z, y)), columns))

    def measure_and_save(nimg: int, means: Mapping[str, float]) -> None:
        check_finite(players.items(), nimg)
        dist.check_in_sync(players.items())
        if dist.rank() == 0:
            if not any(line["nimg"] == nimg and SCORE in line for line in run.metrics()):  # a finished run's last
                run.log(nimg, measure(nimg))
            model.save(run.path, nimg=nimg)
            _mark_best(run, plan, nimg)
            run.save(system, nimg)

    return [Callback(plan.log_every, log), Callback(plan.show_every, show), Callback(plan.save_every, measure_and_save)]


def _mark_best(run: Run, plan: Plan, nimg: int) -> None:
    """Mark the best checkpoint up to this one, that with the lowest score.

    It follows from the metrics of the planned moments alone, so that no stop and no kill on the way changes it.
    """
    planned = [
        line for line in run.metrics()
        if SCORE in line and (line["nimg"] % plan.save_every == 0 or line["nimg"] == plan.images) and line["nimg"] <= nimg
    ]  # fmt: skip
    if planned:
        best = min(planned, key=lambda line: line[SCORE])
        run.mark_best(int(best["nimg"]), SCORE, best[SCORE])

"""Callbacks of a training: log metrics, write frames of samples, measure, and save checkpoints and models."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sparring.commands.training.monitor import monitor
from sparring.commands.training.plan import Plan
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.labels import labels_as
from sparring.engine import dist
from sparring.engine.checkpoint import check_finite
from sparring.engine.device import Hardware
from sparring.engine.image_io import grid, to_uint8
from sparring.engine.loop import Callback, System
from sparring.engine.run_folder import Run
from sparring.measure.diagnostics.gan_diagnostics import SCORE
from sparring.models.generator import GeneratorModel
from sparring.recipes.recipe import FitsLast
from sparring.report.pictures import MAX_CLASS_COLUMNS, picture

GRID_SAMPLES = 64
"""Samples in a frame, of fixed noise."""
GRID_COLUMNS = 8
HELD_OUT_EXAMPLES = 1000
"""Held-out examples that are classified at each checkpoint, for the curve alone: nothing is selected by it."""
VALIDATION_EXAMPLES = 10_000
"""The same with --validation, by which settings are selected."""
CHUNK_EXAMPLES = 250


def log_metrics(session: TrainingSession, plan: Plan, names: Sequence[str]) -> Callback:
    """Append a line of metrics, and show those of `names` beside the progress."""

    def log(nimg: int, means: Mapping[str, float]) -> None:
        if dist.rank() == 0 and means:
            session.run.log(nimg, means)
            session.progress.update(nimg, {name: means[name] for name in names if name in means})

    return Callback(plan.log_every, log)


def generator_callbacks(
    session: TrainingSession, plan: Plan, system: System, model: GeneratorModel, data: Dataset
) -> list[Callback]:
    """Log, write frames, then measure and save together, so that a checkpoint comes last."""
    measure = monitor(system.game, model, data, plan)
    return [
        log_metrics(session, plan, list(system.game.players)),
        Callback(plan.show_every, frame_saver(session.run, model, data)),
        save_checkpoints(session, plan, system, model, measure, SCORE, partial(_with_last_part, session, data)),
    ]


def _with_last_part(session: TrainingSession, data: Dataset, model: GeneratorModel) -> GeneratorModel:
    """Return a trained model with the part of its generator that is fitted last, where its recipe has one."""
    recipe = session.settings.recipe
    if not isinstance(recipe, FitsLast):
        return model
    generator = copy.deepcopy(model.generator)
    recipe.fit_last(generator, data, session.settings.seed)
    return replace(model, generator=generator)


def frame_saver(run: Run, model: GeneratorModel, data: Dataset | None) -> Callable[[int, Mapping[str, float]], None]:
    """Return a function that writes samples of fixed noise as a frame, and at image 0 images of `data` beside it."""
    classes = len(model.counts) if model.conditional else 0
    columns = classes if 0 < classes <= MAX_CLASS_COLUMNS else GRID_COLUMNS
    z, y = model.draw_inputs(range(GRID_SAMPLES // GRID_COLUMNS * columns), seed=0)
    if classes:
        y = torch.arange(len(z)) % classes  # a column for each class
    names = model.label_names if columns == classes else ()

    def save_frame(nimg: int, means: Mapping[str, float]) -> None:
        if dist.rank() != 0:
            return
        if frame := picture(model.spec, model.spec.decode(model.generate(z, y)), columns, names):
            run.save_frame(nimg, frame)
        if nimg == 0 and data is not None:
            idx = _real_idx(data, y.numpy() if columns == classes else None, len(z))
            if real := picture(data.spec, data[idx], columns, names):
                run.save_real(real)

    return save_frame


def save_checkpoints(
    session: TrainingSession,
    plan: Plan,
    system: System,
    model: GeneratorModel,
    measure: Callable[[int], dict[str, float]],
    score: str,
    finish: Callable[[GeneratorModel], GeneratorModel] = lambda model: model,
) -> Callback:
    """Measure, then save the model and a checkpoint, and mark the one with the lowest `score`.

    At the end of the training it is the model that `finish` returns; checkpoints hold the players alone.
    """
    run, players = session.run, system.game.players

    def measure_and_save(nimg: int, means: Mapping[str, float]) -> None:
        check_finite(players.items(), nimg)
        dist.check_in_sync(players.items())
        if dist.rank() == 0:
            if not is_measured(run, nimg, score):
                run.log(nimg, measure(nimg))
            (finish(model) if nimg == plan.images else model).save(run.path, nimg=nimg)
            _mark_best(run, plan, nimg, score)
            run.save(system, nimg)

    return Callback(plan.save_every, measure_and_save)


def _real_idx(data: Dataset, labels: NDArray[np.int64] | None, count: int) -> NDArray[np.int64]:
    """Return the indices of training examples of these labels, or of `count` random ones where some class has none."""
    order = np.random.default_rng(0).permutation(len(data))
    if labels is None or not set(labels.tolist()) <= set(data.labels.tolist()):
        return np.resize(order, count)
    by_class = [order[data.labels[order] == k] for k in range(labels.max() + 1)]
    return np.array([by_class[label][k // len(by_class) % len(by_class[label])] for k, label in enumerate(labels)])


def is_measured(run: Run, nimg: int, score: str) -> bool:
    """Return whether `score` was logged at this image, as it is at the end of a finished run."""
    return any(line["nimg"] == nimg and score in line for line in run.metrics())


def _mark_best(run: Run, plan: Plan, nimg: int, score: str) -> None:
    """Mark the checkpoint up to `nimg` with the lowest `score`.

    Only planned checkpoints count, and the one that was marked before the run was made longer, so that no stop and no
    kill changes which one it is.
    """
    kept = {int(path.name) for path in run.checkpoints()} | {nimg}
    marked = run.best["nimg"] if run.best else None
    planned = [
        line for line in run.metrics()
        if score in line and line["nimg"] <= nimg and line["nimg"] in kept
        and (line["nimg"] % plan.save_every == 0 or line["nimg"] in (plan.images, marked))
    ]  # fmt: skip
    if planned:
        best = min(planned, key=lambda line: line[score])
        run.mark_best(int(best["nimg"]), score, best[score])


def sample_callbacks(
    session: TrainingSession, plan: Plan, system: System, data: Dataset, metadata: Mapping[str, Any]
) -> list[Callback]:
    """Write frames, and with each checkpoint the averaged generator, where a classifier is trained with one."""
    nets: Any = system.ema.net
    if "generator" not in nets:
        return []
    run, recipe = session.run, session.settings.recipe
    model = GeneratorModel(nets["generator"], data.spec, recipe, metadata=metadata)
    z, y = model.draw_inputs(range(GRID_SAMPLES), seed=0)

    def save_frame(nimg: int, means: Mapping[str, float]) -> None:
        if "generator" in system.game.turns:
            run.save_frame(nimg, grid(to_uint8(model.generate(z, y)), GRID_COLUMNS))

    def write_model(nimg: int, means: Mapping[str, float]) -> None:
        model.save(run.path, nimg=nimg)

    return [Callback(plan.show_every, save_frame), Callback(plan.save_every, write_model)]


def classifier_checkpoint(
    session: TrainingSession, plan: Plan, system: System, data: Dataset, source: Dataset
) -> Callback:
    """Measure the error on held-out examples, then save a checkpoint."""
    run = session.run
    count = VALIDATION_EXAMPLES if session.settings.read.validation else HELD_OUT_EXAMPLES
    error = _held_out_error(averaged(system), source.split("test"), data.spec.classes, session.hardware, count)
    begin, before = time.monotonic(), max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0)

    def save(nimg: int, means: Mapping[str, float]) -> None:
        check_finite(system.game.players.items(), nimg)
        if not any(line["nimg"] == nimg and "minutes" in line for line in run.metrics()):  # the end of a finished run
            run.log(nimg, {**error(), "minutes": round(before + (time.monotonic() - begin) / 60, 3)})
        run.save(system, nimg)

    return Callback(plan.save_every, save)


def averaged(system: System) -> nn.Module:
    """Return the averaged classifier."""
    nets: Any = system.ema.net
    net: nn.Module = nets["classifier"]
    return net


def _held_out_error(
    net: nn.Module, held_out: Dataset, classes: tuple[str, ...], hardware: Hardware, count: int
) -> Callable[[], dict[str, float]]:
    """Return a function that measures the error on some held-out examples, where any have labels."""
    labels = labels_as(classes, held_out)
    idx = np.random.default_rng(0).permutation(np.flatnonzero(labels >= 0))[:count]
    if not len(idx):
        return lambda: {}
    x, y = held_out.spec.encode(held_out[idx]), torch.from_numpy(labels[idx])

    @torch.no_grad()
    def error() -> dict[str, float]:
        with hardware.autocast():
            chunks = torch.split(x, CHUNK_EXAMPLES)
            predicted = torch.cat([net(chunk.to(hardware.device)).argmax(1).cpu() for chunk in chunks])
        return {"error": float((predicted != y).double().mean())}

    return error

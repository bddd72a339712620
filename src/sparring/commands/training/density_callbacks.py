"""Callbacks of the training of a density model: held-out likelihood, frames of samples, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sparring.commands.training.callbacks import frame_saver, is_measured, log_metrics, save_checkpoints
from sparring.commands.training.monitor import draw_examples
from sparring.commands.training.plan import Plan
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.engine import dist
from sparring.engine.loop import Callback, System
from sparring.measure.diagnostics.density_diagnostics import BASELINE, SCORE
from sparring.measure.likelihood.independent import independent_nll
from sparring.models.density import DensityModel
from sparring.nets.density_net import Diagnosed, EnergyNet

MIN_EXAMPLES, MAX_EXAMPLES = 64, 500
"""Held-out examples whose likelihood is measured at a checkpoint, and training examples for comparison."""
MAX_BASELINE_EXAMPLES = 5_000
"""Training examples from which the baseline, independent values, is estimated."""
EXAMPLES_PER_MEASURED = 48
"""Training examples between two checkpoints for each one that is measured: about 4 % of the time."""


def density_callbacks(
    session: TrainingSession, plan: Plan, system: System, model: DensityModel, data: Dataset
) -> list[Callback]:
    """Log, then measure and save together with a frame of samples, so that a checkpoint comes last."""
    run, measure = session.run, likelihood_monitor(model, data, plan)

    def measure_again(nimg: int, means: Mapping[str, float]) -> None:
        if dist.rank() == 0 and not model.held_out and is_measured(run, nimg, SCORE):  # a finished run
            measure(nimg)

    return [
        log_metrics(session, plan, list(system.game.players)),
        Callback(plan.save_every, frame_saver(run, model, data)),
        Callback(plan.save_every, measure_again),
        save_checkpoints(session, plan, system, model, measure, SCORE),
    ]


def likelihood_monitor(model: DensityModel, data: Dataset, plan: Plan) -> Callable[[int], dict[str, float]]:
    """Return a function of nimg that measures -log p of held-out and of training examples, in the model's unit.

    At image 0 the baseline, independent values, is measured as well.
    It keeps the log-densities of the held-out examples in `model.held_out`. Without a test split these are other
    training examples, and there is no metric `train_nll`.
    """
    count = min(MAX_EXAMPLES, plan.save_every // EXAMPLES_PER_MEASURED // max(len(model.counts), 1))
    count = max(count, MIN_EXAMPLES)
    train = draw_examples(data, count)[0]
    held_out = draw_examples(data.split("test"), count)[0] if data.report.splits["test"] else None

    def nll(log_density: Tensor) -> float:
        return -float(log_density.mean()) / model.unit.nats

    def baseline() -> dict[str, float]:
        rows = model.observe(draw_examples(data, MAX_BASELINE_EXAMPLES)[0])
        wanted = model.observe(held_out if held_out is not None else train)
        value = independent_nll(data.spec, rows, wanted)
        return {} if value is None else {BASELINE: value / model.unit.nats}

    def measure(nimg: int) -> dict[str, float]:
        net, generator = model.generator, torch.Generator().manual_seed(nimg)
        if isinstance(net, EnergyNet):
            with torch.no_grad():
                net.estimate_log_z(generator)
        of_train = model.log_density(train)
        of_held_out = model.log_density(held_out) if held_out is not None else of_train
        model.held_out = tuple(of_held_out.tolist())
        metrics = {SCORE: nll(of_held_out)} | ({"train_nll": nll(of_train)} if held_out is not None else {})
        metrics |= baseline() if nimg == 0 else {}
        if isinstance(net, Diagnosed):
            with torch.no_grad():
                metrics |= net.diagnostics(model.observe(train[:MIN_EXAMPLES]), generator)
        return metrics

    return measure

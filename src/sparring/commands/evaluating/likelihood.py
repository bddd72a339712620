"""Likelihood of real data under a density model, with its interval, baseline and protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparring.commands.evaluating.inputs import EvaluationInputs
from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import Dataset
from sparring.engine import dist
from sparring.measure.likelihood.bounds import EnergyModel, LikelihoodBounds, likelihood_bounds
from sparring.measure.likelihood.independent import independent_nll
from sparring.measure.scores.evaluation import Score
from sparring.models.density import BINARISATION_SEED, CHUNK_ROWS, DensityModel, Unit
from sparring.nets.density_net import HasProtocol, is_exact
from sparring.stats.intervals import ends_of, resampled_means

MAX_TRAINING_ROWS = 10_000
"""Training rows from which the baseline, independent values, is estimated."""


@dataclass(frozen=True)
class Likelihood:
    """-log p of held-out data and of the model's own samples, and what the numbers depend on."""

    scores: tuple[Score, ...] = ()
    protocol: dict[str, Any] | None = None
    """None of samples without a likelihood."""
    warnings: tuple[str, ...] = ()


def likelihood(inputs: EvaluationInputs, progress: Progress) -> Likelihood:
    """Measure -log p of the rows of the reference, at most as many as samples, and of as many samples.

    Samples that are not of a density model have no likelihood.
    """
    model = inputs.model
    if not isinstance(model, DensityModel):
        return Likelihood()
    split = inputs.reference.split
    data = inputs.data.split(None if split == "all" else split)  # type: ignore[arg-type]
    rows = _rows_of(data, len(inputs.samples))
    samples = model.spec.encode(inputs.stored.fetch(np.arange(len(rows))))
    bounds = _bounds(model, rows, progress)
    of_data = _negative(model, rows, progress.callback("computing the likelihood", data.report.unit))
    of_samples = _negative(model, samples, progress.callback("computing the likelihood of samples", "samples"))
    train = inputs.data.split("train")
    baseline = independent_nll(model.spec, model.observe(_rows_of(train, MAX_TRAINING_ROWS)), model.observe(rows))
    unit = model.unit
    protocol: dict[str, Any] = {
        "unit": unit.name,
        "split": split,
        "n": len(rows),
        "exact": is_exact(model.generator),
        "values": "binary" if model.binary else "as stored",
        "independent": None if baseline is None else round(baseline / unit.nats, 6),
    }
    if model.binary:
        protocol["binarised"] = f"once, by seed {BINARISATION_SEED}"
    if isinstance(model.generator, HasProtocol):
        protocol |= model.generator.protocol()
    named = {"nll": of_data, "nll_of_samples": of_samples}
    scores = [_score(name, values / unit.nats, unit.name) for name, values in named.items()]
    if bounds is None:
        return Likelihood(tuple(scores), protocol)
    if not bounds.exact:
        low, high, ess = bounds.log_z.low, bounds.log_z.high, bounds.log_z.ess
        protocol["log_z_interval"] = f"{low:.2f} to {high:.2f}, effective sample size {ess:.0f}"
        scores.insert(1, _raise_score(scores[0], bounds, unit))
    return Likelihood(tuple(scores), protocol, bounds.warnings)


def _bounds(model: DensityModel, rows: Tensor, progress: Progress) -> LikelihoodBounds | None:
    """Estimate log Z of an energy model from both sides, and set it for what follows; None of other models."""
    net = model.generator
    if not isinstance(net, EnergyModel):
        return None
    progress.info("annealing: log Z by AIS, and a lower bound of the likelihood by RAISE")
    x = model.observe(rows).to(next(net.parameters()).device)
    return likelihood_bounds(net, x, torch.Generator().manual_seed(0))


def _raise_score(nll: Score, bounds: LikelihoodBounds, unit: Unit) -> Score:
    """Return the -log p by RAISE: that by AIS and the distance of the two, with the intervals of both added."""
    gap, low, high = (end / unit.nats for end in bounds.gap)
    return Score(f"nll_raise[{unit.name}]", nll.value + gap, nll.low + low, nll.high + high, None)


def _rows_of(data: Dataset, count: int) -> Tensor:
    """Return `count` rows of `data` as network input, the first ones of a fixed order."""
    idx = np.sort(np.random.default_rng(0).permutation(len(data))[:count])
    return torch.as_tensor(data.spec.encode(data[idx]))


def _negative(model: DensityModel, x: Tensor, on_progress: Any) -> Tensor:
    """Return -log p `[N]` of network input."""

    def of_chunk(number: int) -> Tensor:
        first = number * CHUNK_ROWS
        values = -model.log_density(x[first : first + CHUNK_ROWS], first)
        on_progress(min(first + CHUNK_ROWS, len(x)), len(x))
        return values

    return torch.cat(dist.shared(of_chunk, -(-len(x) // CHUNK_ROWS)))


def _score(name: str, values: Tensor, unit: str) -> Score:
    """Return the mean with its bootstrap interval; rows of probability 0 make it infinite."""
    mean = float(values.mean())
    return Score(f"{name}[{unit}]", mean, *ends_of(resampled_means(values)), None)

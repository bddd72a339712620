"""Cheap metrics of a generator in training: distance, coverage and variety of samples, and discriminator logits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from sparring.commands.training.plan import Plan
from sparring.data.dataset import Dataset
from sparring.engine.data_spec import AudioSpec, DataSpec, PairSpec, TableSpec
from sparring.engine.game import Game
from sparring.games.gan import HasLogits
from sparring.measure.diagnostics.quick_metrics import coverage, variety, win_rate
from sparring.measure.kinds.table_cells import Scaler
from sparring.measure.scores.sliced_wasserstein import sliced_wasserstein
from sparring.models.generator import GeneratorModel
from sparring.nets.mel_codec import codec_for

MAX_EXAMPLES, MIN_EXAMPLES = 1000, 64
"""Samples that are measured, and data examples that they are compared with."""
IMAGES_PER_SAMPLE = 32
"""Training images between two measurements per sample measured: below 3 % of a training's time
(benchmarks/measuring.py)."""
MAX_BYTES = 64 << 20
"""Memory of the samples."""
DIRECTIONS = 128
"""Projections of the sliced Wasserstein distance; they are fixed, so that half as many as elsewhere show its course."""
SMALL_SIDE = 16
"""Pixels. Larger images are scaled down before their neighbours are searched, so that these differ in content, not in
fine noise."""
CHUNK_EXAMPLES = 128


def monitor(game: Game, model: GeneratorModel, data: Dataset, plan: Plan) -> Callable[[int], dict[str, float]]:
    """Return a function of nimg that measures the system as it is then; it changes neither the system nor random state.

    Samples of fixed noise are compared with fixed held-out examples, or training examples where none are held out. At
    image 0 the real-vs-real baselines are measured as well: the same metrics of other training examples.
    """
    count = min(MAX_EXAMPLES, plan.save_every // IMAGES_PER_SAMPLE, MAX_BYTES // (4 * math.prod(data.spec.shape)))
    count = max(count, MIN_EXAMPLES)
    held_out = bool(data.report.splits["test"])
    if held_out:
        train, train_y = draw_examples(data, count)
        real, real_y = draw_examples(data.split("test"), count)
    else:
        half = max(min(count, len(data) // 2), 1)
        both, both_y = draw_examples(data, 2 * half)
        real, real_y, train, train_y = both[:half], both_y[:half], both[half:], both_y[half:]
    z, y = model.draw_inputs(range(len(real)), seed=1)
    values_of = metric_values(data.spec, train)
    real_values = values_of(real)
    small_real = downscale(real_values)

    def compare(x: Tensor, prefix: str = "") -> dict[str, float]:
        values = values_of(x)
        small = downscale(values)
        metrics = {
            "sliced_wasserstein": sliced_wasserstein(values, real_values, directions=DIRECTIONS),
            "coverage": coverage(small, small_real),
            "variety": variety(small, small_real),
        }
        return {prefix + name: value for name, value in metrics.items() if math.isfinite(value)}

    def discriminator_metrics(x: Tensor) -> dict[str, float]:
        if not isinstance(game, HasLogits):
            return {}
        sample_logits, train_logits = _logits(game, x, y), _logits(game, train, train_y)
        metrics = {
            "train_logit": float(train_logits.mean()),
            "sample_logit": float(sample_logits.mean()),
            "train_win": win_rate(train_logits, sample_logits),
        }
        if held_out:
            real_logits = _logits(game, real, real_y)
            metrics["held_out_logit"] = float(real_logits.mean())
            metrics |= {"win": win_rate(real_logits, sample_logits), "memory": win_rate(train_logits, real_logits)}
        return metrics

    def measure(nimg: int) -> dict[str, float]:
        rows = np.concatenate([data.spec.decode(model.generate(*chunk)) for chunk in _chunks(z, y)])
        x = metric_input(data.spec, rows)
        baseline = compare(_repeat(train, len(real)), "baseline_") if nimg == 0 else {}
        return {**compare(x), **discriminator_metrics(x), **baseline}

    return measure


@singledispatch
def metric_input(spec: DataSpec, rows: NDArray[Any]) -> Tensor:
    """Return what cheap metrics compare of stored rows: network input `[B, ...]`."""
    return spec.encode(rows)


@metric_input.register
def _(spec: AudioSpec, rows: NDArray[Any]) -> Tensor:
    """Return the pictures of recordings, which discriminators of sounds take as well."""
    return codec_for(spec).encode(spec.encode(rows))


@metric_input.register
def _(spec: PairSpec, rows: NDArray[Any]) -> Tensor:
    """Return both halves, flat."""
    return torch.cat([metric_input(half, part).flatten(1) for half, part in spec.by_half(rows)], 1)


@singledispatch
def metric_values(spec: DataSpec, train: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the map from `metric_input` to what distances are measured on, by training examples `train`."""
    return lambda x: x


@metric_values.register
def _(spec: TableSpec, train: Tensor) -> Callable[[Tensor], Tensor]:
    """Scale the columns of a table that was read whole, with gaps as values of their own."""
    if not spec.is_whole:
        return metric_values.dispatch(object)(spec, train)
    scale = Scaler(spec, train.numpy())
    return lambda x: torch.from_numpy(scale(x.numpy()))


def draw_examples(data: Dataset, count: int) -> tuple[Tensor, Tensor]:
    """Return up to `count` examples as `metric_input`, with their conditions; the same ones in every call."""
    idx = np.random.default_rng(0).permutation(len(data))[:count]
    return metric_input(data.spec, data[idx]), torch.from_numpy(data.conditions(idx))


def downscale(x: Tensor) -> Tensor:
    """Scale images `[B, C, H, W]` down by a whole factor to about SMALL_SIDE pixels or fewer; keep other data."""
    if x.dim() != 4:
        return x
    factor = -(-max(x.shape[2:]) // SMALL_SIDE)
    return adaptive_avg_pool2d(x, (-(-x.shape[2] // factor), -(-x.shape[3] // factor)))


def _repeat(x: Tensor, count: int) -> Tensor:
    """Return the first `count` examples, repeated where there are fewer."""
    return x[torch.arange(count) % len(x)]


def _logits(game: HasLogits, x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([game.logits(*chunk) for chunk in _chunks(x, y)]).cpu()


def _chunks(x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(torch.split(x, CHUNK_EXAMPLES), torch.split(y, CHUNK_EXAMPLES), strict=True)

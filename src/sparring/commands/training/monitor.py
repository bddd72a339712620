"""Cheap figures of a training that goes on: distance, coverage and variety of its samples, and how its judge sees them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from sparring.commands.training.plan import Plan
from sparring.data.dataset import Dataset
from sparring.data.in_memory import as_input
from sparring.engine.game import Game
from sparring.engine.image_io import to_uint8
from sparring.games.gan import HasLogits
from sparring.measure.diagnostics.quick_metrics import coverage, variety, wins
from sparring.measure.scores.sliced_wasserstein import sliced_wasserstein
from sparring.models.generator import GeneratorModel

MOST, LEAST = 1000, 64
"""Samples that are measured, and images they are held against."""
SHARE = 32
"""Of the images between two measures, one sample in so many: under 3 % of a training's time (benchmarks/measuring.py)."""
MOST_BYTES = 64 << 20
"""That as many images may fill."""
DIRECTIONS = 128
"""Of the sliced Wasserstein distance: the same ones every time, so that half as many as elsewhere do for its course."""
SIDE = 16
"""Pixels: larger images are scaled down for their neighbours, who then differ in what they show, not in fine noise."""
AT_ONCE = 128
"""Images that are made or judged together."""


def watch(game: Game, model: GeneratorModel, data: Dataset, plan: Plan) -> Callable[[int], dict[str, float]]:
    """A function of nimg that measures the system as it is then. Nothing of it changes, and no random state.

    Samples of the same noise are held against the same held-out images, or training images where none are held out. At
    image 0 it tells the floors as well: what (other) training images get in the samples' place.
    """
    count = max(min(MOST, plan.save_every // SHARE, MOST_BYTES // (4 * math.prod(data.spec.shape))), LEAST)
    held_out = bool(data.report.splits["test"])
    if held_out:
        train, train_y = some(data, count)
        real, real_y = some(data.split("test"), count)
    else:
        half = max(min(count, len(data) // 2), 1)
        both, both_y = some(data, 2 * half)
        real, real_y, train, train_y = both[:half], both_y[:half], both[half:], both_y[half:]
    z, y = model.draw_inputs(range(len(real)), seed=1)
    small_real = small(real)

    def beside_data(x: Tensor, prefix: str = "") -> dict[str, float]:
        little = small(x)
        figures = {
            "sliced_wasserstein": sliced_wasserstein(x, real, directions=DIRECTIONS),
            "coverage": coverage(little, small_real),
            "variety": variety(little, small_real),
        }
        return {prefix + name: value for name, value in figures.items() if math.isfinite(value)}

    def judged(x: Tensor) -> dict[str, float]:
        if not isinstance(game, HasLogits):
            return {}
        sample, trained = _logits(game, x, y), _logits(game, train, train_y)
        seen = {
            "train_logit": float(trained.mean()),
            "sample_logit": float(sample.mean()),
            "train_win": wins(trained, sample),
        }
        if held_out:
            fresh = _logits(game, real, real_y)
            known = {"win": wins(fresh, sample), "memory": wins(trained, fresh)}
            seen |= {"held_out_logit": float(fresh.mean()), **known}
        return seen

    def measure(nimg: int) -> dict[str, float]:
        x = floats(np.concatenate([to_uint8(model.generate(*part)) for part in _parts(z, y)]))
        floors = beside_data(_as_many(train, len(real)), "baseline_") if nimg == 0 else {}
        return {**beside_data(x), **judged(x), **floors}

    return measure


def some(images: Dataset, count: int) -> tuple[Tensor, Tensor]:
    """Up to `count` images in [-1, 1] with what players are told of them, drawn once and for all."""
    rows = np.random.default_rng(0).permutation(len(images))[:count]
    return floats(images[rows]), torch.from_numpy(images.conditions(rows))


def small(x: Tensor) -> Tensor:
    """Images `[B, C, H, W]` scaled down by a whole factor to about SIDE or less."""
    factor = -(-max(x.shape[2:]) // SIDE)
    return adaptive_avg_pool2d(x, (-(-x.shape[2] // factor), -(-x.shape[3] // factor)))


def floats(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """Bytes `[B, H, W, C]` as images `[B, C, H, W]` in [-1, 1]."""
    return as_input(pixels, torch.device("cpu"))


def _as_many(x: Tensor, count: int) -> Tensor:
    """The first `count`, over again where there are not so many."""
    return x[torch.arange(count) % len(x)]


def _logits(judge: HasLogits, x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([judge.logits(*part) for part in _parts(x, y)]).cpu()


def _parts(x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(torch.split(x, AT_ONCE), torch.split(y, AT_ONCE), strict=True)

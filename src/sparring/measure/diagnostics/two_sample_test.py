"""The Nash check: at the equilibrium of the game no discriminator does better than guessing (Goodfellow et al. 2014)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from sparring.engine.device import Hardware
from sparring.engine.game import Batch, Game, Stats
from sparring.engine.loop import BatchSource, System, play
from sparring.measure.features.network_input import as_input
from sparring.measure.features.train_small import Fetch, Rows, learn
from sparring.measure.scores.evaluation import TwoSampleResult
from sparring.nets.encoder import Encoder
from sparring.stats.intervals import clopper_pearson_interval

WIDTH, MOST, FEATURES = 32, 256, 64
"""Of the fresh discriminator."""
LOOKS = 40
"""How often it sees each image it learns from; up to IMAGES in all, for images of 32x32, fewer of larger ones."""
IMAGES = 200_000
FEWEST = 20_000


@dataclass(frozen=True)
class Told:
    """What a fresh discriminator makes of rows that it has not learnt from."""

    right: int
    of: int

    def as_nash(self, duality_gap: float | None = None) -> TwoSampleResult:
        """With the exact binomial interval, and in words."""
        low, high = clopper_pearson_interval(self.right, self.of)
        accuracy = self.right / self.of
        return TwoSampleResult(accuracy, low, high, self.of, duality_gap, _in_words(accuracy, low, high, self.of))


def two_sample_test(
    real: Fetch,
    fake: Fetch,
    count: int,
    *,
    seed: int = 0,
    hardware: Hardware,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> Told:
    """Train a fresh discriminator on half of `count` real and `count` fake rows, and test it on the other half.

    A classifier two-sample test (Lopez-Paz and Oquab 2017): if both are of one distribution it can only guess, however
    it is trained. Rows are images or tables.
    """
    half = count // 2
    orders = [np.random.default_rng([seed, k]).permutation(count) for k in range(2)]
    shape = real(orders[0][:1]).shape[1:]

    def fetch(rows: NDArray[np.int64]) -> NDArray[Any]:  # below half: real ones; above: fakes
        is_real = rows < half
        some = real(orders[0][rows[is_real]]), fake(orders[1][rows[~is_real] - half])
        out = np.empty((len(rows), *shape), some[0].dtype)
        out[is_real], out[~is_real] = some
        return out

    labels = (np.arange(2 * half) < half).astype(np.int64)
    rows = Rows(fetch, labels, min(128, half), seed, hardware.device)
    area = math.prod(shape[:2]) if len(shape) == 3 else 1
    images = max(min(LOOKS * count, IMAGES * 1024 // area), FEWEST)
    judge = learn(
        lambda: _judge(shape), _loss, rows, images=images, lr=1e-3, hardware=hardware, on_progress=on_progress
    )
    right = sum(
        _hits(judge, take(order[part]), is_real, hardware)
        for take, order, is_real in ((real, orders[0], True), (fake, orders[1], False))
        for part in np.array_split(np.arange(half, 2 * half), -(-half // 200))
    )
    return Told(right, 2 * half)


def _judge(shape: tuple[int, ...]) -> nn.Module:
    if len(shape) == 3:
        height, width, channels = shape
        return Encoder((channels, height, width), WIDTH, MOST, FEATURES, 1)
    return nn.Sequential(
        nn.Linear(shape[0], MOST), nn.LeakyReLU(), nn.Linear(MOST, FEATURES), nn.LeakyReLU(), nn.Linear(FEATURES, 1)
    )


def _loss(net: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = net(batch.x)
    return binary_cross_entropy_with_logits(logits[:, 0], batch.y.float())


@torch.no_grad()
def _hits(judge: nn.Module, rows: NDArray[Any], is_real: bool, hardware: Hardware) -> int:
    return int(((judge(as_input(rows, hardware.device))[:, 0] > 0) == is_real).sum())


def _in_words(accuracy: float, low: float, high: float, of: int) -> str:
    told = f"A fresh discriminator was right on {accuracy:.1%} of {of:,} that it had not seen (95 % interval {low:.1%} to {high:.1%})"
    if low > 0.5:
        near = "far from" if accuracy > 0.8 else "some way from" if accuracy > 0.6 else "near"
        return f"{told}: it sees a difference, so this generator is {near} the game's equilibrium, where it could only guess."
    if high < 0.5:
        return f"{told}: worse than guessing, which happens where the same are in both sets."
    return f"{told}: no better than guessing, as at the game's equilibrium. That is no proof: a stronger one might do better."


@dataclass
class Alone:
    """A game in which one player moves alone."""

    game: Game
    turns: tuple[str, ...]

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """As in the whole game."""
        return self.game.players

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """As in the whole game."""
        return self.game.loss(player, batch, at)


def duality_gap(
    build: Callable[[], System],
    feed: BatchSource,
    held_out: Sequence[Batch],
    *,
    images: int,
    seed: int = 0,
    hardware: Hardware,
) -> float:
    """Max over D' of M(G, D') - min over G' of M(G', D), M being minus the discriminator's loss without its penalties.

    Grnarova et al. 2019, "A domain agnostic measure for monitoring and evaluating GANs", Eq. 2. 0 at an equilibrium;
    positive by what either player could still gain. Each is trained alone for `images` from where the run left it
    (`build` gives a fresh copy of the run's system each time), so it is a lower bound; M is taken on `held_out`.
    """
    values = []
    for player in ("discriminator", "generator"):
        system = build()
        system.game = Alone(system.game, (player,))
        play(system, feed, total=images, seed=seed, hardware=hardware)
        values.append(_value(system.game, held_out, hardware))
    return values[0] - values[1]


def _value(game: Game, batches: Sequence[Batch], hardware: Hardware) -> float:
    """M(G, D): minus the discriminator's loss, without penalties and whatever else its features have to learn."""
    total = 0.0
    for batch in batches:
        with hardware.autocast():
            loss, stats = game.loss("discriminator", batch, 1.0)  # with gradients on: a penalty needs them
        besides = sum(float(torch.as_tensor(stats.get(name, 0.0)).detach()) for name in ("penalty", "heads"))
        total += float(loss.detach()) - besides
    return -total / len(batches)

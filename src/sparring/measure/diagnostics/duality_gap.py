"""The duality gap of a GAN: what either player could still gain by training alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparring.engine.device import Hardware
from sparring.engine.game import Batch, Game, Stats
from sparring.engine.loop import BatchSource, System, play


@dataclass
class OnePlayerGame:
    """A game in which only the players in `turns` are trained."""

    game: Game
    turns: tuple[str, ...]

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """All players of the game."""
        return self.game.players

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss and statistics of the game."""
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
    """Return max over D' of M(G, D') minus min over G' of M(G', D), with M minus the discriminator's loss.

    Grnarova et al. 2019, "A domain agnostic measure for monitoring and evaluating GANs", Eq. 2. It is 0 at an
    equilibrium. Each player is trained alone for `images` from a fresh copy of the run's system (`build`), so the
    result is a lower bound. M excludes penalties and is computed on `held_out`.
    """
    values = []
    for player in ("discriminator", "generator"):
        system = build()
        system.game = OnePlayerGame(system.game, (player,))
        play(system, feed, total=images, seed=seed, hardware=hardware)
        values.append(_value(system.game, held_out, hardware))
    return values[0] - values[1]


def _value(game: Game, batches: Sequence[Batch], hardware: Hardware) -> float:
    """Return M(G, D): minus the discriminator's loss without penalties and auxiliary heads."""
    total = 0.0
    for batch in batches:
        with hardware.autocast():
            loss, stats = game.loss("discriminator", batch, 1.0)  # gradients are on, since penalties need them
        other_terms = sum(float(torch.as_tensor(stats.get(name, 0.0)).detach()) for name in ("penalty", "heads"))
        total += float(loss.detach()) - other_terms
    return -total / len(batches)

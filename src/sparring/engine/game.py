"""The protocol of a game: several models, each with its own loss. Nothing here belongs to one paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from sparring.engine.seeds import mix

Schedule = Callable[[float], float]
"""A hyper-parameter over a run: `at` in [0, 1] -> value."""

Stats = Mapping[str, Tensor | float]
"""Scalars that a turn logs, by name."""


@dataclass(frozen=True)
class Batch:
    """The input of one turn: this process's slice of a batch, and a noise source for it.

    Noise is drawn for the full batch, over all processes and micro-batches, and then sliced. So a run on two processes
    plays the same game as a run on one.
    """

    x: Tensor
    """Data, float32 in [-1, 1]: images `[B, C, H, W]`, audio `[B, 1, T]` or table rows `[B, F]`."""
    y: Tensor
    """Labels, int64 `[B]`, -1 = unlabelled; or vectors, float32 `[B, K]`."""
    step: int = 0
    """Number of rounds played before this one, for lazy penalties."""
    seed: int = 0
    """Seed of the full batch's noise."""
    batch_slice: slice | None = None
    """Position of these rows in the full batch. None: they are the full batch."""
    full_size: int | None = None
    """Number of rows of the full batch. None: `len(x)`."""
    labelled: Callable[[], tuple[Tensor, Tensor]] | None = None
    """Function that draws a labelled batch `(x, y)` of half the size, where few images have labels."""
    group: Tensor | None = None
    """Protected groups or domains, int64 `[B]`, -1 = unknown; None where the data have none."""
    _draws: list[int] = field(default_factory=list, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.x)

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal noise `[B, *shape]`. Each call draws new noise; a fresh copy repeats the sequence."""
        return self._draw(torch.randn, *shape)

    def uniform(self, *shape: int) -> Tensor:
        """Return noise `[B, *shape]`, uniform in [0, 1).

        Each call draws new noise; a fresh copy repeats the sequence.
        """
        return self._draw(torch.rand, *shape)

    def derive(self, x: Tensor, y: Tensor, salt: int) -> Batch:
        """Return a batch of other data for the same turn. `salt` makes its noise independent of this batch's."""
        return Batch(x, y, self.step, mix(self.seed, salt))

    def _draw(self, draw: Callable[..., Tensor], *shape: int) -> Tensor:
        self._draws.append(1)
        return self._noise(draw, len(self._draws), *shape).to(self.x.device, non_blocking=True)

    def _noise(self, draw: Callable[..., Tensor], count: int, *shape: int) -> Tensor:
        """Return the noise of the `count`th draw, drawn on the CPU so that all devices get the same."""
        generator = torch.Generator().manual_seed(mix(self.seed, count))
        noise = draw(self.full_size or len(self.x), *shape, generator=generator)
        return noise if self.batch_slice is None else noise[self.batch_slice]


class Game(Protocol):
    """Several players, each with its own loss. Any object with these three members is a game; there is no base class.

    State that must survive a stop (weights, Markov chains, adaptive strengths) is a parameter or a buffer of a player.
    """

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """The networks by player name."""
        ...

    @property
    def turns(self) -> Sequence[str]:
        """The names of the players that are updated in a round, in this order."""
        ...

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss that `player` minimises, and statistics.

        The loss is a float32 scalar, a mean over the batch. `at` in [0, 1] is the run's progress.
        """
        ...


@contextmanager
def freeze_others(game: Game, player: str) -> Iterator[None]:
    """Disable gradients of all players but `player`. Parameters that another player shares with it stay trainable."""
    trainable = {id(p) for p in game.players[player].parameters()}
    frozen = [
        p for net in game.players.values() for p in net.parameters() if p.requires_grad and id(p) not in trainable
    ]
    for p in frozen:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in frozen:
            p.requires_grad_(True)

"""A game: several models, each with a loss of its own. This page holds the protocol and nothing of any one paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from sparring.engine.seeds import mix

Schedule = Callable[[float], float]
"""A number over the course of a run: `at` in [0, 1] -> value."""

Stats = Mapping[str, Tensor | float]
"""What a turn tells about itself: name -> scalar."""


@dataclass(frozen=True)
class Batch:
    """What the world hands to one turn: this process's rows of a batch, and a source of noise for just these rows.

    Noise is drawn for the whole batch, over all processes and accumulation steps, and cut to these rows: a run on
    two processes plays the same game as a run on one.
    """

    x: Tensor
    """Data, `[B, C, H, W]` images (or `[B, 1, T]`, `[B, F]`), float32 in [-1, 1]."""
    y: Tensor
    """Labels, int64 `[B]`, -1 = unlabelled; or vectors of numbers, float32 `[B, K]`."""
    step: int = 0
    """Rounds played before this one: what lazy penalties count."""
    seed: int = 0
    """Seed of the whole batch's noise."""
    rows: slice | None = None
    """Where these rows lie in the whole batch; None: they are all of it."""
    size: int | None = None
    """Rows of the whole batch; None: `len(x)`."""
    labelled: Callable[[], tuple[Tensor, Tensor]] | None = None
    """Where few images have labels: half as many labelled ones, `(x, y)`, drawn on demand."""
    _draws: list[int] = field(default_factory=list, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.x)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise `[B, *shape]`; each call draws anew, in an order that a fresh copy repeats."""
        return self._draw(torch.randn, *shape)

    def uniform(self, *shape: int) -> Tensor:
        """Noise `[B, *shape]`, uniform in [0, 1); each call draws anew, in an order that a fresh copy repeats."""
        return self._draw(torch.rand, *shape)

    def beside(self, x: Tensor, y: Tensor, salt: int) -> Batch:
        """Other rows that are played in the same turn, with noise of their own by `salt`."""
        return Batch(x, y, self.step, mix(self.seed, salt))

    def _draw(self, draw: Callable[..., Tensor], *shape: int) -> Tensor:
        self._draws.append(1)
        return self._noise(draw, len(self._draws), *shape).to(self.x.device, non_blocking=True)

    def _noise(self, draw: Callable[..., Tensor], count: int, *shape: int) -> Tensor:
        """What the `count`th draw gives, on the CPU: the same noise for all devices."""
        generator = torch.Generator().manual_seed(mix(self.seed, count))
        noise = draw(self.size or len(self.x), *shape, generator=generator)
        return noise if self.rows is None else noise[self.rows]


class Game(Protocol):
    """Several players, each with a loss of its own. Any object with these three is a game; there is no base class.

    Whatever must survive a stop (weights, Markov chains, adaptive strengths) is a parameter or a buffer of a player.
    """

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """Name -> network."""
        ...

    @property
    def turns(self) -> Sequence[str]:
        """Players' names in the order in which they move in a round."""
        ...

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """The loss (a float32 scalar, mean over the batch) that `player` minimises, `at` (0 to 1) of the way."""
        ...


@contextmanager
def only(game: Game, player: str) -> Iterator[None]:
    """Let `player` alone collect gradients; the others hold still. What they share with it moves with it."""
    moving = {id(p) for p in game.players[player].parameters()}
    held = [p for net in game.players.values() for p in net.parameters() if p.requires_grad and id(p) not in moving]
    for p in held:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in held:
            p.requires_grad_(True)

"""A game of one: a network and its loss, in the same loop as all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from sparring.engine.game import Batch, Stats


class SinglePlayer:
    """One player, `net`, that minimises `loss(net, batch)`; a game in the sense of `engine.game`."""

    turns = ("net",)

    def __init__(self, net: nn.Module, loss: Callable[[nn.Module, Batch], Tensor]) -> None:
        self.players: Mapping[str, nn.Module] = {"net": net}
        self._loss = loss

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """The loss, and no statistics."""
        return self._loss(self.players["net"], batch), {}

"""A game with one player: ordinary training of one network in the same loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from sparring.engine.game import Batch, Stats


class SinglePlayer:
    """A game with one player, `net`, that minimises `loss(net, batch)` (`engine.game.Game`)."""

    turns = ("net",)

    def __init__(self, net: nn.Module, loss: Callable[[nn.Module, Batch], Tensor]) -> None:
        self.players: Mapping[str, nn.Module] = {"net": net}
        self._loss = loss

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss, without statistics."""
        return self._loss(self.players["net"], batch), {}

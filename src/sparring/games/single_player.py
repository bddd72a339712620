"""A game with one player: ordinary training of one network in the same loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch, Stats

Loss = Callable[[nn.Module, Batch], Tensor | tuple[Tensor, Stats]]


class SinglePlayer:
    """A game with one player, called `name`, that minimises `loss(net, batch)` (`engine.game.Game`).

    `loss` returns a scalar, or a scalar and statistics.
    """

    def __init__(self, net: nn.Module, loss: Loss, name: str = "net") -> None:
        self.players: Mapping[str, nn.Module] = {name: net}
        self.turns: Sequence[str] = (name,)
        self._loss = loss

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss and its statistics."""
        result = self._loss(self.players[player], batch)
        return result if isinstance(result, tuple) else (result, {})


def classification_loss(logits: Tensor, y: Tensor) -> tuple[Tensor, Stats]:
    """Return the cross entropy of logits `[B, K]` with labels `[B]`, and the accuracy."""
    return cross_entropy(logits, y), {"accuracy": (logits.argmax(1) == y).float().mean()}

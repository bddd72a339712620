"""Maximum classifier discrepancy (Saito et al. 2018): two heads disagree on the target, the encoder makes them agree.

Step A trains all on the source. In step B the heads minimise the source's cross entropy minus their discrepancy on the
target. In step C, several times a round, the encoder minimises the discrepancy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch, Stats
from sparring.games.domain_adaptation import AUGMENT_SALT
from sparring.games.domain_losses import discrepancy
from sparring.games.semi_supervised import AugmentFn
from sparring.nets.domain_critic import HeadPair
from sparring.nets.feature_head import features_of


class ClassifierDiscrepancy:
    """A game of `classifier` (all), `heads` and `encoder`, which share parameters (`engine.game.Game`)."""

    def __init__(self, classifier: nn.Module, augment: AugmentFn, encoder_steps: int = 4) -> None:
        """Build the game. `classifier.head` is a `HeadPair`."""
        head: Any = classifier.head
        assert isinstance(head, HeadPair)
        encoder = nn.ModuleDict({name: part for name, part in classifier.named_children() if part is not head})
        self.players: Mapping[str, nn.Module] = {"classifier": classifier, "heads": head, "encoder": encoder}
        self.turns: Sequence[str] = ("classifier", "heads", *["encoder"] * encoder_steps)
        self._classifier, self._head, self.augment = classifier, head, augment

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss of step A (`classifier`), B (`heads`) or C (`encoder`)."""
        if player == "encoder":
            x = self.augment(batch.x, batch.derive(batch.x, batch.y, AUGMENT_SALT))
            return discrepancy(*self._both(x)), {}
        assert batch.labelled is not None
        x, y = batch.labelled()
        count = len(x)
        if player == "heads":
            x = torch.cat([x, batch.x])
        x = self.augment(x, batch.derive(x, y, AUGMENT_SALT))
        first, second = self._both(x)
        loss = cross_entropy(first[:count], y) + cross_entropy(second[:count], y)
        if player == "classifier":
            return loss, {"accuracy": (self._head_answers(first, second) == y).float().mean()}
        distance = discrepancy(first[count:], second[count:])
        return loss - distance, {"discrepancy": distance}

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._head.both(features_of(self._classifier, x))

    @staticmethod
    def _head_answers(first: Tensor, second: Tensor) -> Tensor:
        return (first.softmax(1) + second.softmax(1)).argmax(1)

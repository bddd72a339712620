"""Train a classifier, erase a group from its features, and train its last layer again on what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from sparring.engine.game import Batch, Stats
from sparring.engine.precision import at_least_float32
from sparring.games.fair_games import group_of
from sparring.games.fairness import Notion
from sparring.games.semi_supervised import AugmentFn
from sparring.games.single_player import classification_loss
from sparring.nets.eraser import ErasedClassifier


class ErasureGame:
    """A game with one player, `classifier`, in three phases of cross entropy (`engine.game.Game`).

    Until `frozen` the whole classifier learns. Then its encoder is frozen and moments are collected. From `erased` on
    the eraser precedes the head, which alone is trained.
    """

    turns: Sequence[str] = ("classifier",)

    def __init__(
        self, classifier: ErasedClassifier, notion: Notion, change: AugmentFn, *, frozen: float, erased: float
    ) -> None:
        self.players: Mapping[str, nn.Module] = {"classifier": classifier}
        self._net, self._notion, self._change = classifier, notion, change
        self._frozen, self._erased = frozen, erased

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss and the accuracy."""
        x = self._change(batch.x, batch)
        if at < self._frozen:
            return classification_loss(at_least_float32(self._net(x)), batch.y)
        with torch.no_grad():
            if at >= self._erased and not self._net.eraser.is_fitted:
                self._net.eraser.fit()
            elif at < self._erased:
                self._collect(batch)
            features = self._net.features(x)
        return classification_loss(at_least_float32(self._net.head(features)), batch.y)

    def _collect(self, batch: Batch) -> None:
        group = group_of(batch)
        strata = torch.stack([stratum & (group >= 0) for stratum, _ in self._notion.strata(batch.y)])
        features = self._net.encoder.features(batch.x)  # type: ignore[operator]
        self._net.eraser.collect(features, one_hot(group.clamp_min(0), self._notion.groups), strata)

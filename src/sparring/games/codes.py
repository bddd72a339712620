"""Codes that reveal little about the group: cross entropy and the distance of the groups' distributions of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch, Schedule, Stats
from sparring.engine.precision import at_least_float32
from sparring.games.fair_games import group_of
from sparring.games.fairness import Notion
from sparring.games.semi_supervised import AugmentFn
from sparring.games.single_player import classification_loss
from sparring.nets.coded_classifier import CodedClassifier


def code_distance(p: Tensor, y: Tensor, group: Tensor, notion: Notion) -> Tensor:
    """Return the total variation of the groups' mean code probabilities `[B, codes]`, mean over strata.

    For two groups it is 1/2 sum_k |p_0k - p_1k|: no decision from the code has a larger gap. Of more groups the largest
    difference of each code counts.
    """
    distances = []
    for stratum, _ in notion.strata(y):
        cells = [stratum & (group == k) for k in range(notion.groups)]
        means = [p[cell].mean(0) for cell in cells if bool(cell.any())]
        if len(means) > 1:
            stacked = torch.stack(means)
            distances.append((stacked.amax(0) - stacked.amin(0)).sum() / 2)
    return torch.stack(distances).mean() if distances else p.sum() * 0


class CodesGame:
    """A game with one player, `classifier`: cross entropy and `weight` times `code_distance` (`engine.game.Game`).

    The distance is that of softmax(`sharpness` scores): the code of an example is the one of the highest score.
    """

    turns: Sequence[str] = ("classifier",)

    def __init__(
        self, classifier: CodedClassifier, notion: Notion, weight: Schedule, change: AugmentFn, *, sharpness: float
    ) -> None:
        self.players: Mapping[str, nn.Module] = {"classifier": classifier}
        self._net, self._notion, self._weight, self._change = classifier, notion, weight, change
        self._sharpness = sharpness

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss, the accuracy and the distance."""
        scores = at_least_float32(self._net.scores(self._change(batch.x, batch)))
        loss, stats = classification_loss(self._net.head(self._net.choose(scores)), batch.y)
        sharp = (self._sharpness * scores).softmax(1)
        distance = code_distance(sharp, batch.y, group_of(batch), self._notion)
        return loss + self._weight(at) * distance, {**stats, "distance": distance}

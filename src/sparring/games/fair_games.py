"""Games of a classifier whose answers or features should not depend on a protected group.

A penalty compares groups by a formula; an adversary predicts the group, and the classifier is trained against it. Zhang
et al. 2018 (arXiv:1801.07593), LAFTR (Madras et al. 2018, arXiv:1802.06309) and maximum-entropy adversaries (Roy and
Boddeti 2019, arXiv:1904.05514) differ in the input of the adversary and in the classifier's reward for its errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch, Schedule, Stats
from sparring.engine.precision import at_least_float32
from sparring.games.fairness import Notion, Penalty
from sparring.games.semi_supervised import AugmentFn
from sparring.games.single_player import classification_loss
from sparring.nets.feature_head import features_of, logits_of
from sparring.nets.group_adversary import GroupAdversary

Reward = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits of the groups `[B, G]`, groups `[B]`, weights `[B]`) -> a scalar."""


def group_of(batch: Batch) -> Tensor:
    """Return the groups `[B]` of a batch of data with a protected column."""
    assert batch.group is not None
    return batch.group


def weighted_cross_entropy(logits: Tensor, group: Tensor, weights: Tensor) -> Tensor:
    """Return the cross entropy of an adversary's answers; rows of unknown group have weight 0."""
    return (weights * cross_entropy(logits, group.clamp_min(0), reduction="none")).sum()


def group_distance(logits: Tensor, group: Tensor, weights: Tensor) -> Tensor:
    """Return the adversary's mean |h - a|, with each group weighted the same (Madras et al. 2018, Eq. 4 and 6)."""
    right = logits.softmax(1).gather(1, group.clamp_min(0)[:, None]).squeeze(1)
    return (weights * (1 - right)).sum()


def answer_entropy(logits: Tensor, group: Tensor, weights: Tensor) -> Tensor:
    """Return the mean entropy of the adversary's answers (Roy and Boddeti 2019, Eq. 4)."""
    log_q = logits.log_softmax(1)
    return -(weights * (log_q.exp() * log_q).sum(1)).sum()


def renew(adversary: GroupAdversary, generations: int, batch: Batch, at: float, on_fresh: Callable[[], None]) -> None:
    """Reinitialise the adversary at the start of its next generation, of `generations` in a run."""
    generation = min(int(at * generations), generations - 1)
    if generation != int(adversary.generation):
        adversary.start_anew(generation, batch.seed)
        on_fresh()


class PenaltyGame:
    """A game with one player, `classifier`: cross entropy and `weight` times a penalty (`engine.game.Game`).

    The input of the penalty is softmax(`sharpness` logits): above 1 it compares decisions rather than confidence.
    """

    turns: Sequence[str] = ("classifier",)

    def __init__(
        self,
        classifier: nn.Module,
        penalty: Penalty | None,
        notion: Notion,
        weight: Schedule,
        change: AugmentFn,
        *,
        sharpness: float = 1.0,
    ) -> None:
        self.players: Mapping[str, nn.Module] = {"classifier": classifier}
        self._net, self._penalty, self._notion, self._weight = classifier, penalty, notion, weight
        self._sharpness, self._change = sharpness, change

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss, the accuracy and the penalty."""
        x = self._change(batch.x, batch)
        logits = at_least_float32(self._net(x))
        loss, stats = classification_loss(logits, batch.y)
        if self._penalty is None:
            return loss, stats
        penalty = self._penalty((self._sharpness * logits).softmax(1), batch.y, group_of(batch), self._notion)
        return loss + self._weight(at) * penalty, {**stats, "penalty": penalty}


class AdversarialGame:
    """A game of two players, `classifier` and `adversary`, which predicts the group (`engine.game.Game`).

    The adversary minimises `adversary_loss` in `steps` turns a round. The classifier minimises its cross entropy minus
    `weight` times `reward`, which counts up to `ceiling`: an adversary that is worse than chance is confidently wrong,
    and another one predicts the group from its answers. `inputs` of the adversary are the classifier's logits or its
    features. With `project` the part of the classifier's gradient that would help the adversary is removed as well. A
    fresh adversary begins `generations` times a run, since the classifier can otherwise overfit to a single one;
    `on_fresh` clears the state of its optimizer.
    """

    def __init__(
        self,
        classifier: nn.Module,
        adversary: GroupAdversary,
        notion: Notion,
        weight: Schedule,
        change: AugmentFn,
        *,
        inputs: Literal["logits", "features"],
        reward: Reward,
        adversary_loss: Reward = weighted_cross_entropy,
        ceiling: float = math.inf,
        project: bool = False,
        steps: int = 3,
        generations: int = 1,
        on_fresh: Callable[[], None] = lambda: None,
    ) -> None:
        self.players: Mapping[str, nn.Module] = {"classifier": classifier, "adversary": adversary}
        self.turns: Sequence[str] = (*["adversary"] * steps, "classifier")
        self._classifier, self._adversary, self._notion, self._weight = classifier, adversary, notion, weight
        self._input, self._reward, self._adversary_loss = inputs, reward, adversary_loss
        self._ceiling, self._project, self._generations = ceiling, project, generations
        self._on_fresh, self._change = on_fresh, change

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return a player's loss; `leak` is the adversary's accuracy, with each group weighted the same."""
        group = group_of(batch)
        weights = self._notion.weights(batch.y, group)
        if player == "adversary":
            renew(self._adversary, self._generations, batch, at, self._on_fresh)
            with torch.no_grad():
                inputs, _ = self._inputs(batch)
            answers = self._adversary(inputs, batch.y)
            leak = (weights * (answers.argmax(1) == group)).sum()
            return self._adversary_loss(answers, group, weights), {"leak": leak}
        inputs, logits = self._inputs(batch)
        loss, stats = classification_loss(logits, batch.y)
        reward = self._reward(self._adversary(inputs, batch.y), group, weights)
        factor: Tensor | float = self._weight(at) * (reward.detach() < self._ceiling)
        if self._project and self._weight(at):
            factor = factor + self._projection(loss, reward)
        return loss - factor * reward, {**stats, "reward": reward}

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the adversary's input `[B, F]`, and the logits `[B, K]`."""
        x = self._change(batch.x, batch)
        features = features_of(self._classifier, x)
        logits = logits_of(self._classifier, features)
        return (logits if self._input == "logits" else features), logits

    def _projection(self, loss: Tensor, reward: Tensor) -> Tensor:
        """Return (g . h) / |h|^2 of the gradients g of the loss and h of the reward, over all weights as one vector.

        Subtracting that multiple of h is the projection of Zhang et al. 2018, Eq. 1. To project each tensor by itself,
        as others do, is another direction. Where it is negative, the loss itself works against the adversary, and
        nothing is taken away: else a gap that has changed its sign would stay.
        """
        weights = [p for p in self._classifier.parameters() if p.requires_grad]
        pair = [
            torch.autograd.grad(scalar, weights, retain_graph=True, allow_unused=True, materialize_grads=True)
            for scalar in (loss, reward)
        ]
        dot = sum((g * h).sum() for g, h in zip(*pair, strict=True))
        return torch.as_tensor(dot / sum(h.square().sum() for h in pair[1]).clamp_min(1e-12)).clamp_min(0)  # type: ignore[union-attr]

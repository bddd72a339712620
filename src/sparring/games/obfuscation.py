"""A game in input space: examples are replaced by others from which the class can be predicted, but not the group.

The obfuscator plays against an adversary that predicts the group, beside a classifier that predicts the class (Raval et
al. 2017, "Protecting visual secrets using adversarial nets"). The classifier reads outputs. The adversary reads the
noisy code of which they are functions: it sees all that they can reveal, at a small part of the cost. The obfuscator
brings the adversary's answers near to equal probabilities by the confusion loss (Tzeng et al. 2015, arXiv:1510.02192,
Eq. 5). It does not maximise the error: what is predicted wrongly with confidence can still be read. It does not
maximise the entropy, which has no gradient where answers are sure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch, Schedule, Stats
from sparring.games.fair_games import group_of, renew, weighted_cross_entropy
from sparring.games.fairness import Notion
from sparring.nets.group_adversary import GroupAdversary
from sparring.nets.obfuscator import Obfuscator


class Obfuscation:
    """A game of `obfuscator`, `adversary` and, of data with classes, `classifier` (`engine.game.Game`).

    The obfuscator minimises the cross entropy of the classifier, plus `closeness` times the distortion, plus `weight`
    times log(1 + `confusion`). Cross entropies are in units of that of an answer by chance. A fresh adversary begins
    `generations` times a run.
    """

    def __init__(
        self,
        obfuscator: Obfuscator,
        adversary: GroupAdversary,
        classifier: nn.Module | None,
        notion: Notion,
        weight: Schedule,
        *,
        closeness: float,
        steps: int,
        generations: int,
        on_fresh: Callable[[], None] = lambda: None,
    ) -> None:
        readers = {"adversary": adversary} | ({} if classifier is None else {"classifier": classifier})
        self.players: Mapping[str, nn.Module] = {"obfuscator": obfuscator, **readers}
        self.turns: Sequence[str] = (*["adversary"] * (steps - 1), *readers, "obfuscator")
        self._obfuscator, self._adversary, self._classifier = obfuscator, adversary, classifier
        self._notion, self._weight, self._closeness = notion, weight, closeness
        self._generations, self._on_fresh = generations, on_fresh

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return a player's loss; `leak` is the adversary's accuracy, with each group weighted the same."""
        net, group = self._obfuscator, group_of(batch)
        weights = self._notion.weights(batch.y, group)
        noise = batch.normal(net.noise_size)
        with torch.set_grad_enabled(player == "obfuscator"):
            code = net.encode(batch.x, noise)
        if player == "adversary":
            renew(self._adversary, self._generations, batch, at, self._on_fresh)
            answers = self._adversary(code, batch.y)
            leak = (weights * (answers.argmax(1) == group)).sum()
            return weighted_cross_entropy(answers, group, weights), {"leak": leak}
        with torch.set_grad_enabled(player == "obfuscator"):
            hidden = net.decode(code, noise)
        utility, stats = self._utility(hidden, batch.y)
        if player == "classifier":
            return utility, stats
        confused = confusion(self._adversary(code, batch.y), weights)
        distortion = net.distortion(hidden, net.view(batch.x))
        loss = utility + self._closeness * distortion + self._weight(at) * confused.log1p()
        return loss, {"distortion": distortion, "confusion": confused}

    def _utility(self, hidden: Tensor, y: Tensor) -> tuple[Tensor, Stats]:
        """Return the cross entropy of the classes, 1 for an answer by chance, and the accuracy; 0 without classes."""
        known = y >= 0
        if self._classifier is None or not bool(known.any()):
            return hidden.sum() * 0, {}
        logits = self._classifier(hidden).float()[known]
        accuracy = (logits.argmax(1) == y[known]).float().mean()
        return cross_entropy(logits, y[known]) / math.log(logits.shape[1]), {"accuracy": accuracy}


def confusion(logits: Tensor, weights: Tensor) -> Tensor:
    """Return the confusion loss of answers `[B, G]` (Tzeng et al. 2015, Eq. 5), over log G, minus 1.

    It is the cross entropy of equal probabilities and the answers, so that it is 0 where the answers are equal.
    """
    uniform = -(weights * logits.log_softmax(1).mean(1)).sum()
    return uniform / math.log(logits.shape[1]) - 1

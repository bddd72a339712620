"""ADDA: a target encoder is trained so that a critic classifies its features as the source's (Tzeng et al. 2017).

Until `pretraining` of the run the classifier learns the source. Its encoder is then copied and frozen; the copy gives
the source's features, and the encoder alone is trained further, against the critic, under the unchanged head.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sparring.engine.game import Batch, Stats
from sparring.games.domain_adaptation import AUGMENT_SALT, source_loss
from sparring.games.domain_losses import domain_accuracy, domain_loss
from sparring.games.semi_supervised import AugmentFn
from sparring.nets.feature_head import features_of, logits_of


class FrozenCopy(nn.Module):
    """A copy of a network, and whether it has been taken; both are buffers of a player, so that a stop keeps them."""

    taken: Tensor

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).requires_grad_(False)
        self.register_buffer("taken", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def take(self, net: nn.Module) -> None:
        """Copy the weights of `net`, the first time."""
        if not self.taken:
            self.net.load_state_dict(net.state_dict())
            self.taken.fill_(True)


class AdversarialEncoder:
    """A game of `critic` and `classifier`; the player `source` is the frozen copy (`engine.game.Game`)."""

    def __init__(
        self, classifier: nn.Module, critic: nn.Module, augment: AugmentFn, *, pretraining: float = 0.5
    ) -> None:
        self._source = FrozenCopy(classifier)
        self.players: Mapping[str, nn.Module] = {"critic": critic, "classifier": classifier, "source": self._source}
        self.turns: Sequence[str] = ("critic", "classifier")
        self._classifier, self._critic, self.augment, self.pretraining = classifier, critic, augment, pretraining

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the critic's cross entropy, or the classifier's: on the source first, then -log D of the target."""
        if at < self.pretraining:
            encoder: Any = self._classifier
        else:
            self._source.take(self._classifier)
            encoder = self._source.net
        assert batch.labelled is not None
        x, y = batch.labelled()
        both = torch.cat([x, batch.x])
        both = self.augment(both, batch.derive(both, torch.cat([y, batch.y]), AUGMENT_SALT))
        source_x, target_x = both[: len(x)], both[len(x) :]
        if player == "critic":
            with torch.no_grad():
                source, target = features_of(encoder, source_x), features_of(self._classifier, target_x)
            of_source, of_target = self._critic(source), self._critic(target)
            return domain_loss(of_source, of_target), {"critic_accuracy": domain_accuracy(of_source, of_target)}
        if at < self.pretraining:
            return source_loss(logits_of(self._classifier, features_of(self._classifier, source_x)), y)
        return softplus(-self._critic(features_of(self._classifier, target_x))).mean(), {}

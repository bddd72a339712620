"""Domain adaptation as a game: a classifier learns a labelled source, with features that suit an unlabelled target.

A batch holds target examples; `batch.labelled` gives source ones. Both pass the network together, so networks must have
no batch statistics: these would depend on the domain, and so bias the critic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch, Stats
from sparring.games.domain_losses import domain_accuracy, domain_loss, entropy_weights
from sparring.games.gradient_reversal import reversal_strength, reverse_gradient
from sparring.games.semi_supervised import AugmentFn
from sparring.nets.feature_head import features_of, logits_of

AUGMENT_SALT = 23
"""Salt of the augmentation noise of source and target together."""


@dataclass(frozen=True)
class DomainFeatures:
    """What a classifier makes of a source and a target batch, augmented; float32."""

    source_x: Tensor
    """Source examples before the augmentation."""
    y: Tensor
    """Labels of the source, int64 `[S]`."""
    source_features: Tensor
    source_logits: Tensor
    target_features: Tensor
    target_logits: Tensor


class AdaptationTerm(Protocol):
    """A further loss of the classifier. One with parameters or buffers is an `nn.Module` and trains with it."""

    def __call__(self, domains: DomainFeatures, batch: Batch, at: float, /) -> tuple[Tensor, Stats]:
        """Return the loss with its weight, a scalar, and statistics."""
        ...


def forward_domains(net: nn.Module, batch: Batch, augment: AugmentFn) -> DomainFeatures:
    """Return features and logits of the source and the target examples of `batch`, by one forward pass."""
    assert batch.labelled is not None
    x, y = batch.labelled()
    both = torch.cat([x, batch.x])
    both = augment(both, batch.derive(both, torch.cat([y, batch.y]), AUGMENT_SALT))
    features = features_of(net, both)
    logits = logits_of(net, features)
    count = len(x)
    return DomainFeatures(x, y, features[:count], logits[:count], features[count:], logits[count:])


def source_loss(logits: Tensor, y: Tensor) -> tuple[Tensor, Stats]:
    """Return the cross entropy on the source, and the accuracy."""
    loss = cross_entropy(logits, y)
    return loss, {"source": loss, "accuracy": (logits.argmax(1) == y).float().mean()}


class DomainAdaptation:
    """A game of one turn: the classifier's cross entropy on the source, and `terms` (`engine.game.Game`)."""

    def __init__(self, classifier: nn.Module, terms: Mapping[str, AdaptationTerm], augment: AugmentFn) -> None:
        modules = {name: term for name, term in terms.items() if isinstance(term, nn.Module)}
        self.players: Mapping[str, nn.Module] = {"classifier": nn.ModuleDict({"classifier": classifier, **modules})}
        self.turns: Sequence[str] = ("classifier",)
        self.terms, self.augment = dict(terms), augment
        self._classifier = classifier

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss, and as `accuracy` that on the augmented source."""
        domains = forward_domains(self._classifier, batch, self.augment)
        loss, stats = source_loss(domains.source_logits, domains.y)
        for name, term in self.terms.items():
            value, extra = term(domains, batch, at)
            loss, stats = loss + value, {**stats, name: value, **extra}
        return loss, stats


def ramped_term(weight: float, loss: Callable[[DomainFeatures], Tensor]) -> AdaptationTerm:
    """Build the term `weight` * `loss`, ramped up by `reversal_strength`: early features mean little."""

    def term(domains: DomainFeatures, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        return weight * reversal_strength(at) * loss(domains), {}

    return term


class AdversarialDomains(nn.Module):
    """An AdaptationTerm: a critic classifies the domain by the features, which are trained against it (DANN).

    The critic minimises its cross entropy, unscaled; the features get its gradient times -lambda, which rises from 0 to
    `weight` over the run. `joint` conditions features on class probabilities, detached (CDAN), and `by_entropy`
    weights confident rows more (CDAN+E).
    """

    def __init__(
        self, critic: nn.Module, *, weight: float = 1.0, joint: nn.Module | None = None, by_entropy: bool = False
    ) -> None:
        super().__init__()
        self.critic, self.joint = critic, joint
        self.weight, self.by_entropy = weight, by_entropy

    def forward(self, domains: DomainFeatures, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the critic's loss, and as `critic_accuracy` how often it is right."""
        strength = self.weight * reversal_strength(at)
        source = self.critic(self._input(domains.source_features, domains.source_logits, strength)).float()
        target = self.critic(self._input(domains.target_features, domains.target_logits, strength)).float()
        both = (entropy_weights(domains.source_logits), entropy_weights(domains.target_logits))
        loss = domain_loss(source, target, both if self.by_entropy else None)
        return loss, {"critic_accuracy": domain_accuracy(source, target)}

    def _input(self, features: Tensor, logits: Tensor, strength: float) -> Tensor:
        reversed_features = reverse_gradient(features, strength)
        if self.joint is None:
            return reversed_features
        joint: Tensor = self.joint(reversed_features, logits.softmax(1).detach())
        return joint

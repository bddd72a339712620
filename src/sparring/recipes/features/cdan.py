"""CDAN+E: a domain critic of features times class probabilities, weighted by confidence (Long et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from sparring.engine.ema import EMA
from sparring.games.domain_adaptation import AdaptationTerm, AdversarialDomains
from sparring.nets.domain_critic import DomainCritic, MultilinearMap
from sparring.recipes.features.adaptation_base import features_in
from sparring.recipes.features.dann import DANN


@dataclass(frozen=True, kw_only=True)
class CDAN(DANN):
    """A domain critic that is conditioned on class probabilities, with weights by entropy."""

    name: ClassVar[str] = "cdan"
    paper: ClassVar[str] = "Long et al. 2018, arXiv:1705.10667"

    def more_nets(self, spec: Any, classifier: nn.Module) -> dict[str, nn.Module]:
        """Return the critic, and the map to its input."""
        joint = MultilinearMap(features_in(classifier), len(spec.classes))
        return {"critic": DomainCritic(joint.outputs, self.critic_hidden), "joint": joint}

    def terms(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> dict[str, AdaptationTerm]:
        """Return the critic's loss."""
        critic, joint = nets["critic"], nets["joint"]
        return {"critic": AdversarialDomains(critic, weight=self.critic_weight, joint=joint, by_entropy=True)}

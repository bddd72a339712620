"""DANN: a critic classifies the domain by features, which are trained against it (Ganin et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from sparring.engine.ema import EMA
from sparring.games.domain_adaptation import AdaptationTerm, AdversarialDomains
from sparring.nets.domain_critic import DomainCritic
from sparring.recipes.features.adaptation_base import AdaptationRecipe, features_in
from sparring.recipes.recipe import check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class DANN(AdaptationRecipe):
    """A domain critic behind a gradient reversal."""

    name: ClassVar[str] = "dann"
    paper: ClassVar[str] = "Ganin et al. 2016, arXiv:1505.07818"

    critic_weight: float = 1.0
    """Largest factor of the reversed gradient; the critic's own loss has weight 1."""
    critic_hidden: int = 256
    """Units in each of the critic's two hidden layers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "critic_hidden")
        check_range(self, 0, float("inf"), "critic_weight")

    def more_nets(self, spec: Any, classifier: nn.Module) -> dict[str, nn.Module]:
        """Return the critic."""
        return {"critic": DomainCritic(features_in(classifier), self.critic_hidden)}

    def terms(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> dict[str, AdaptationTerm]:
        """Return the critic's loss."""
        return {"critic": AdversarialDomains(nets["critic"], weight=self.critic_weight)}

"""CORAL: equal covariances of the features of both domains (Sun and Saenko 2016, "Deep CORAL")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from sparring.engine.ema import EMA
from sparring.games.domain_adaptation import AdaptationTerm, ramped_term
from sparring.games.domain_losses import coral
from sparring.recipes.features.adaptation_base import AdaptationRecipe
from sparring.recipes.recipe import check_range


@dataclass(frozen=True, kw_only=True)
class CORAL(AdaptationRecipe):
    """A penalty on the difference of the features' covariances in both domains."""

    name: ClassVar[str] = "coral"
    paper: ClassVar[str] = "Sun and Saenko 2016, arXiv:1607.01719"

    coral_weight: float = 100.0
    """Largest weight of the penalty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 0, float("inf"), "coral_weight")

    def terms(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> dict[str, AdaptationTerm]:
        """Return the penalty."""
        return {"coral": ramped_term(self.coral_weight, lambda d: coral(d.source_features, d.target_features))}

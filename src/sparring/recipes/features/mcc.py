"""MCC: few confusions between classes on the target (Jin et al. 2020, "Minimum class confusion")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from sparring.engine.ema import EMA
from sparring.games.domain_adaptation import AdaptationTerm, ramped_term
from sparring.games.domain_losses import class_confusion
from sparring.recipes.features.adaptation_base import AdaptationRecipe
from sparring.recipes.recipe import check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class MCC(AdaptationRecipe):
    """A penalty on the confusion of classes on the target, without an adversary."""

    name: ClassVar[str] = "mcc"
    paper: ClassVar[str] = "Jin et al. 2020, arXiv:1912.03699"

    confusion_weight: float = 1.0
    """Largest weight of the penalty."""
    temperature: float = 2.5
    """Divisor of the target's logits in the penalty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "temperature")
        check_range(self, 0, float("inf"), "confusion_weight")

    def terms(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> dict[str, AdaptationTerm]:
        """Return the penalty."""
        temperature = self.temperature
        return {
            "confusion": ramped_term(self.confusion_weight, lambda d: class_confusion(d.target_logits, temperature))
        }

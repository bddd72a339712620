"""A confident EMA teacher labels the target for augmented copies (French et al. 2018, Berthelot et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from sparring.engine.ema import EMA
from sparring.games.confident_teacher import ConfidentTeacher
from sparring.games.domain_adaptation import AdaptationTerm
from sparring.recipes.classifier_recipe import teacher_of
from sparring.recipes.features.dann import DANN
from sparring.recipes.features.networks import augmentation_for
from sparring.recipes.recipe import check_fraction, check_range


@dataclass(frozen=True, kw_only=True)
class Teacher(DANN):
    """Pseudo-labels of a confident averaged teacher, and a domain critic."""

    name: ClassVar[str] = "teacher"
    paper: ClassVar[str] = "Berthelot et al. 2022, arXiv:2106.04732, and French et al. 2018, arXiv:1706.05208"
    level: ClassVar[str] = "strong"

    consistency_weight: float = 1.0
    """Largest weight of the pseudo-label loss."""
    confidence: float = 0.9
    """Smallest probability of a pseudo-label, relative to the mean largest probability on the source."""
    align_shares: bool = True
    """Alignment of the pseudo-labels with the estimated class shares of the target."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 0, float("inf"), "consistency_weight")
        check_fraction(self, "confidence")

    def terms(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> dict[str, AdaptationTerm]:
        """Return the pseudo-label loss; without estimated shares nothing is aligned."""
        classes = len(spec.classes)
        term = ConfidentTeacher(
            teacher_of(ema), augmentation_for(spec, self.augment_strength, "weak"),
            self.class_shares or [1 / classes] * classes, align_shares=self.align_shares and bool(self.class_shares),
            weight=self.consistency_weight, confidence=self.confidence,
        )  # fmt: skip
        return {**(super().terms(spec, nets, ema) if self.critic_weight else {}), "consistency": term}

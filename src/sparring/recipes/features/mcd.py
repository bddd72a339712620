"""MCD: two heads maximise their disagreement on the target, and the encoder minimises it (Saito et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from sparring.engine.ema import EMA
from sparring.engine.game import Game
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.classifier_discrepancy import ClassifierDiscrepancy
from sparring.games.gradient_reversal import reversal_strength
from sparring.nets.domain_critic import HeadPair
from sparring.recipes.features.adaptation_base import AdaptationRecipe
from sparring.recipes.features.networks import augmentation_for, classifier_for
from sparring.recipes.recipe import check_fraction, check_positive


@dataclass(frozen=True, kw_only=True)
class MCD(AdaptationRecipe):
    """The largest, then the smallest discrepancy of two heads on the target; both answer together."""

    name: ClassVar[str] = "mcd"
    paper: ClassVar[str] = "Saito et al. 2018, arXiv:1712.02560"

    encoder_steps: int = 4
    """Steps of the encoder per step of the heads."""
    encoder_lr: float = 0.05
    """Largest learning rate of these steps, relative to `lr`. In the paper Adam's moments also hold the source's
    larger gradients, which makes these steps as small."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "encoder_steps")
        check_fraction(self, "encoder_lr")

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the classifier with two heads."""
        assert self.width
        classifier: Any = classifier_for(spec, self.width)
        other: Any = classifier_for(spec, self.width)
        classifier.head = HeadPair(classifier.head, other.head)
        return {"classifier": classifier}

    def game(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> Game:
        """Return the game of three players."""
        augment = augmentation_for(spec, self.augment_strength, self.level)
        return ClassifierDiscrepancy(nets["classifier"], augment, self.encoder_steps)

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game with smaller steps of the encoder, which grow from 0."""
        system = super().system(spec, nets, total)
        lr = cosine(self.encoder_lr * self.lr, self.encoder_lr * self.lr / 50)
        encoder = {"lr": lambda at: lr(at) * reversal_strength(at)}
        return System(system.game, system.optimizers, system.ema, {**system.schedules, "encoder": encoder})

"""ADDA: a target encoder against a critic of its and the source encoder's features (Tzeng et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from sparring.engine.ema import EMA
from sparring.engine.game import Game
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.adversarial_encoder import AdversarialEncoder
from sparring.recipes.features.dann import DANN
from sparring.recipes.features.networks import augmentation_for
from sparring.recipes.recipe import check_fraction


@dataclass(frozen=True, kw_only=True)
class ADDA(DANN):
    """Training on the source, then of the encoder alone against a critic."""

    name: ClassVar[str] = "adda"
    paper: ClassVar[str] = "Tzeng et al. 2017, arXiv:1702.05464"

    pretraining: float = 0.5
    """Fraction of the run that trains on the source."""
    encoder_lr: float = 0.02
    """Learning rate after the pretraining, relative to `lr`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fraction(self, "pretraining", "encoder_lr")

    def game(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> Game:
        """Return the game of classifier and critic."""
        augment = augmentation_for(spec, self.augment_strength, self.level)
        return AdversarialEncoder(nets["classifier"], nets["critic"], augment, pretraining=self.pretraining)

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game with a learning rate that falls twice: by the pretraining, and after it from a lower one."""
        system = super().system(spec, nets, total)
        first = cosine(self.lr, self.lr / 50, max(self.pretraining, 1e-6))
        second = cosine(self.encoder_lr * self.lr, self.encoder_lr * self.lr / 50, max(1 - self.pretraining, 1e-6))

        def lr(at: float) -> float:
            return first(at) if at < self.pretraining else second(at - self.pretraining)

        return System(system.game, system.optimizers, system.ema, {name: {"lr": lr} for name in system.optimizers})

"""The baseline of domain adaptation: a classifier trained on the source alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from sparring.engine.ema import EMA
from sparring.engine.game import Batch, Game, Stats
from sparring.games.single_player import SinglePlayer, classification_loss
from sparring.recipes.features.adaptation_base import AdaptationRecipe
from sparring.recipes.features.networks import augmentation_for


@dataclass(frozen=True, kw_only=True)
class SourceOnly(AdaptationRecipe):
    """Training on the source alone, with the augmentation and the network of the other candidates."""

    name: ClassVar[str] = "source_only"
    paper: ClassVar[str] = "the baseline of Ganin et al. 2016, arXiv:1505.07818"
    uses_target: ClassVar[bool] = False

    def game(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> Game:
        """Return the game of one player: cross entropy."""
        augment = augmentation_for(spec, self.augment_strength, self.level)

        def loss(net: nn.Module, batch: Batch) -> tuple[Tensor, Stats]:
            return classification_loss(net(augment(batch.x, batch)).float(), batch.y)

        return SinglePlayer(nets["classifier"], loss, "classifier")

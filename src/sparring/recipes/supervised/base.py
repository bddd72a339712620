"""What recipes share that train one classifier on labelled examples alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import nn
from torch.optim import Optimizer

from sparring.engine.device import Hardware
from sparring.engine.game import Schedule
from sparring.engine.loop import System
from sparring.games.single_player import Loss, SinglePlayer
from sparring.recipes.classifier_recipe import PlainClassifierRecipe, joint_ema
from sparring.recipes.recipe import tunable


@dataclass(frozen=True, kw_only=True)
class SupervisedRecipe(PlainClassifierRecipe):
    """A recipe whose one player, `classifier`, learns from labelled examples."""

    labelled_batch_size: ClassVar[int] = 0
    prepared_on: ClassVar[int] = 500

    ema_half_life: float = tunable(0.05, 0.005, 0.5, log=True)
    """Half-life of the EMA of the weights, as a fraction of the run."""

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Return the recipe as it is."""
        return self

    def supervised(
        self, nets: Mapping[str, nn.Module], loss: Loss, optimizer: Optimizer, lr: Schedule, total: int
    ) -> System:
        """Return the game of the classifier with its loss."""
        net = nets["classifier"]
        ema = joint_ema({"classifier": net}, total, self.ema_half_life)
        game = SinglePlayer(net, loss, "classifier")
        return System(game, {"classifier": optimizer}, ema, {"classifier": {"lr": lr}})

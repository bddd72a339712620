"""What recipes share that train one classifier on labelled examples alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.engine.game import Schedule
from sparring.engine.loop import System
from sparring.games.single_player import Loss, SinglePlayer
from sparring.recipes.classifier_recipe import Change, joint_ema


class SupervisedRecipe:
    """A recipe whose one player, `classifier`, learns from labelled examples."""

    augmentation: ClassVar[Change | None] = None
    tta: ClassVar[Change | None] = None
    background: ClassVar[bool] = False
    mirror: ClassVar[bool] = False
    labelled_batch_size: ClassVar[int] = 0
    balance_classes: ClassVar[bool] = False
    prepared_on: ClassVar[int] = 500

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Do nothing: the network needs no initialisation on data."""

    def supervised(
        self,
        nets: Mapping[str, nn.Module],
        loss: Loss,
        optimizer: Optimizer,
        lr: Schedule,
        ema_half_life: float,
        total: int,
    ) -> System:
        """Return the game of the classifier with its loss; the EMA's half-life is `ema_half_life` of the run."""
        net = nets["classifier"]
        ema = joint_ema({"classifier": net}, total, ema_half_life)
        game = SinglePlayer(net, loss, "classifier")
        return System(game, {"classifier": optimizer}, ema, {"classifier": {"lr": lr}})

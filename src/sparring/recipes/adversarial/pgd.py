"""PGD training: on the worst that 40 steps find from anywhere in the ball (Madry et al. 2018), on MNIST as published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torch.optim import Adam

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.engine.schedules import constant
from sparring.games.adversarial_training import Ascent
from sparring.recipes.adversarial.base import AdversarialRecipe
from sparring.recipes.recipe import check_positive


@dataclass(frozen=True, kw_only=True)
class PGD(AdversarialRecipe):
    """Many steps, and the adversaries alone."""

    name: ClassVar[str] = "pgd"
    paper: ClassVar[str] = "Madry et al. 2018, arXiv:1706.06083"
    usual: ClassVar[str] = "madry"

    steps: int = 40
    """Of the attack."""
    way: float = 4 / 3
    """Length of all steps together, in eps: 40 of 0.01 are 4/3 of 0.3."""
    batch_size: int = 50
    """Images a round."""
    lr: float = 1e-4
    """Adam's learning rate."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "steps", "way")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Eq. 2.1 with Adam, at one learning rate throughout."""
        net = nets["classifier"]
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        attack = Ascent(self.steps, self.way / self.steps)
        return self.put_together(net, optimizer, constant(self.lr), total, attack=attack)

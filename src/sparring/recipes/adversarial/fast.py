"""Fast: one step, but from anywhere in the ball and a little longer than its radius (Wong et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torch.optim import Adam

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.engine.schedules import triangle
from sparring.games.adversarial_training import Ascent
from sparring.recipes.adversarial.base import AdversarialRecipe
from sparring.recipes.recipe import check_positive


@dataclass(frozen=True, kw_only=True)
class Fast(AdversarialRecipe):
    """The default: two passes a round, and a guard, without which it may lose everything within an epoch."""

    name: ClassVar[str] = "fast"
    paper: ClassVar[str] = "Wong et al. 2020, arXiv:2001.03994"

    step: float = 1.25
    """Of the attack, in eps."""
    lr: float = 5e-3
    """Adam's highest learning rate, after 40 % of the run; before and after it changes evenly, from 0 and to 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "step")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Algorithm 3, with Adam as for MNIST."""
        net = nets["classifier"]
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        return self.put_together(net, optimizer, triangle(self.lr, 0.4), total, attack=Ascent(1, self.step))

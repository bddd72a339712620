"""Fast: FGSM from a uniform random start, with a step of more than eps (Wong et al. 2020)."""

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
    """Fast, the default: FGSM with a random start and a guard against catastrophic overfitting."""

    name: ClassVar[str] = "fast"
    paper: ClassVar[str] = "Wong et al. 2020, arXiv:2001.03994"

    step_size: float = 1.25
    """Step size of the attack, in units of eps."""
    lr: float = 5e-3
    """Adam's peak learning rate, at 40 % of the run, with a linear rise from 0 and fall to 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "step_size")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the system of Algorithm 3 with Adam, as for MNIST."""
        net = nets["classifier"]
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        return self.build(net, optimizer, triangle(self.lr, 0.4), total, attack=Ascent(1, self.step_size))

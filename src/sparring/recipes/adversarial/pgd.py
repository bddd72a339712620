"""PGD training on the examples of a 40-step attack with a uniform start (Madry et al. 2018), as published for MNIST."""

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
    """PGD training: cross entropy of multi-step adversarial examples."""

    name: ClassVar[str] = "pgd"
    paper: ClassVar[str] = "Madry et al. 2018, arXiv:1706.06083"
    default_net: ClassVar[str] = "madry"

    steps: int = 40
    """Steps of the attack."""
    path_length: float = 4 / 3
    """Total path length of the attack in units of eps (steps x step size)."""
    batch_size: int = 50
    """Images per round."""
    lr: float = 1e-4
    """Adam's learning rate, constant."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "steps", "path_length")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the system of Eq. 2.1 with Adam and a constant learning rate."""
        net = nets["classifier"]
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        attack = Ascent(self.steps, self.path_length / self.steps)
        return self.build(net, optimizer, constant(self.lr), total, attack=attack)

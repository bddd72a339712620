"""TRADES: cross entropy plus KL divergence of nearby predictions (Zhang et al. 2019), as published for MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torch.optim import SGD

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.engine.schedules import steps
from sparring.games.adversarial_training import Ascent, gaussian_start, kl_objective, trades_loss
from sparring.recipes.adversarial.base import AdversarialRecipe
from sparring.recipes.recipe import check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class TRADES(AdversarialRecipe):
    """TRADES: a trade-off of accuracy and robustness by one weight."""

    name: ClassVar[str] = "trades"
    paper: ClassVar[str] = "Zhang et al. 2019, arXiv:1901.08573"
    default_net: ClassVar[str] = "trades"

    beta: float = 6.0
    """Weight of the KL divergence (1/lambda in the paper, 1 in its code for MNIST); 0 is ordinary training."""
    steps: int = 40
    """Steps of the attack."""
    path_length: float = 4 / 3
    """Total path length of the attack in units of eps (steps x step size)."""
    batch_size: int = 128
    """Images per round."""
    lr: float = 0.01
    """Learning rate of SGD with momentum 0.9, divided by 10, 100 and 1000 from 55, 75 and 90 % of the run on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "steps", "path_length")
        check_range(self, 0, float("inf"), "beta")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the system of Algorithm 1."""
        net = nets["classifier"]
        optimizer = SGD(net.parameters(), self.lr, momentum=0.9)
        attack = Ascent(self.steps, self.path_length / self.steps, gaussian_start, kl_objective)
        lr = steps({0.0: self.lr, 0.55: self.lr / 10, 0.75: self.lr / 100, 0.9: self.lr / 1000})
        return self.build(net, optimizer, lr, total, attack=attack, loss=trades_loss(self.beta))

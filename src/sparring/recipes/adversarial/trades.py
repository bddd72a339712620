"""TRADES: right on the images, and the same answer for all that is near them (Zhang et al. 2019), on MNIST as published."""

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
    """Accuracy and robustness traded by one number."""

    name: ClassVar[str] = "trades"
    paper: ClassVar[str] = "Zhang et al. 2019, arXiv:1901.08573"
    usual: ClassVar[str] = "trades"

    beta: float = 6.0
    """What a divergence of answers costs (the paper's 1/lambda; its code for MNIST takes 1); 0: ordinary training."""
    steps: int = 40
    """Of the attack."""
    way: float = 4 / 3
    """Length of all steps together, in eps: 40 of 0.01 are 4/3 of 0.3."""
    batch_size: int = 128
    """Images a round."""
    lr: float = 0.01
    """Of SGD with momentum 0.9; a tenth, hundredth and thousandth of it from 55, 75 and 90 % of the run on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "steps", "way")
        check_range(self, 0, float("inf"), "beta")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Algorithm 1."""
        net = nets["classifier"]
        optimizer = SGD(net.parameters(), self.lr, momentum=0.9)
        attack = Ascent(self.steps, self.way / self.steps, gaussian_start, kl_objective)
        lr = steps({0.0: self.lr, 0.55: self.lr / 10, 0.75: self.lr / 100, 0.9: self.lr / 1000})
        return self.put_together(net, optimizer, lr, total, attack=attack, loss=trades_loss(self.beta))

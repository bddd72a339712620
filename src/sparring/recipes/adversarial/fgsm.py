"""FGSM training: half the loss on images, half on those moved by one signed gradient (Goodfellow et al. 2014).

The paper tells no optimizer; that of its maxout networks (Goodfellow et al. 2013) was momentum with bounds on the weights. Here
it is Adam with a cosine. Against many steps such training protects little: that is what the other recipes are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torch.optim import Adam

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.adversarial_training import Ascent, data_start, mixed_ce
from sparring.recipes.adversarial.base import AdversarialRecipe
from sparring.recipes.recipe import check_range


@dataclass(frozen=True, kw_only=True)
class FGSM(AdversarialRecipe):
    """One step at the data, beside the data."""

    name: ClassVar[str] = "fgsm"
    paper: ClassVar[str] = "Goodfellow et al. 2014, arXiv:1412.6572"
    usual: ClassVar[str] = "maxout"

    alpha: float = 0.5
    """Weight of the images as they are; the rest is that of the adversaries."""
    guard: bool = False
    """Go back to the best weights where accuracy under PGD has fallen. The paper knew no PGD."""
    lr: float = 1e-3
    """Adam's learning rate at the start; it falls to 0 by a cosine."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 0, 1, "alpha")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Section 6, with the cost of section 6 and Adam."""
        net = nets["classifier"]
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        attack = Ascent(1, 1.0, data_start)
        return self.put_together(net, optimizer, cosine(self.lr, 0.0), total, attack=attack, loss=mixed_ce(self.alpha))

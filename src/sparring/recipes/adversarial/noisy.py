"""Noise: images in Gaussian noise, so that a vote over noise can be certified (Cohen et al. 2019, section 3.3 and appendix F).

The paper trains residual networks by momentum; here it is Adam with the schedule of Wong et al. 2020, and their network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torch.optim import Adam

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.engine.schedules import triangle
from sparring.games.adversarial_training import GaussianAugmentation
from sparring.recipes.adversarial.base import AdversarialRecipe
from sparring.recipes.recipe import check_positive


@dataclass(frozen=True, kw_only=True)
class Noisy(AdversarialRecipe):
    """No attack at all. What it withstands is told by `sparring certify`, of the vote and not of the network alone."""

    name: ClassVar[str] = "noisy"
    paper: ClassVar[str] = "Cohen et al. 2019, arXiv:1902.02918"

    sigma: float = 0.5
    """The noise's standard deviation, of pixels from 0 to 1: more certifies larger radii, of fewer images."""
    eps: float | None = 0.0
    """It trains against no ball: this is only how far it is attacked in the end. 0: as far as is usual."""
    norm: str = "L2"
    """Linf or L2, of that attack; certificates are in L2."""
    guard: bool = False
    """Go back to the best weights where accuracy under PGD has fallen. There is no attack here to overfit to."""
    lr: float = 2e-3
    """Adam's highest learning rate, after 40 % of the run; before and after it changes evenly, from 0 and to 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "sigma")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Cross entropy in noise."""
        net = nets["classifier"]
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        noise = GaussianAugmentation(2 * self.sigma)  # of images in [-1, 1]
        return self.put_together(net, optimizer, triangle(self.lr, 0.4), total, attack=noise)

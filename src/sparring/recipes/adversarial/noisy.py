"""Noisy: training with Gaussian noise, for randomized smoothing (Cohen et al. 2019, section 3.3 and appendix F).

The paper trains residual networks with momentum. Here it is Adam with the schedule and the network of Wong et al. 2020.
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
    """Noisy: cross entropy of noisy images. `sparring certify` certifies the smoothed classifier."""

    name: ClassVar[str] = "noisy"
    paper: ClassVar[str] = "Cohen et al. 2019, arXiv:1902.02918"

    sigma: float = 0.5
    """Standard deviation of the noise, for pixels in [0, 1]. Larger values certify larger radii of fewer images."""
    eps: float | None = 0.0
    """Radius of the final evaluation by attacks, not used in training. 0: the default radius of the images."""
    norm: str = "L2"
    """Norm of the evaluation by attacks: Linf or L2. Certificates are in L2."""
    guard: bool = False
    """Rollback to the best weights if accuracy under PGD falls. Off, since there is no attack to overfit to."""
    lr: float = 2e-3
    """Adam's peak learning rate, at 40 % of the run, with a linear rise from 0 and fall to 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "sigma")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the system with the cross entropy of noisy images."""
        net = nets["classifier"]
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        noise = GaussianAugmentation(2 * self.sigma)  # of images in [-1, 1]
        return self.build(net, optimizer, triangle(self.lr, 0.4), total, attack=noise)

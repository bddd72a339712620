"""FGSM training: half the loss on images, half on FGSM examples (Goodfellow et al. 2014).

The paper does not name its optimizer; its maxout networks (Goodfellow et al. 2013) used momentum with bounded weights.
Here it is Adam with a cosine schedule. This training protects little against attacks of many steps; the other recipes
do.
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
    """FGSM training: cross entropy of images and of one-step examples."""

    name: ClassVar[str] = "fgsm"
    paper: ClassVar[str] = "Goodfellow et al. 2014, arXiv:1412.6572"
    default_net: ClassVar[str] = "maxout"

    alpha: float = 0.5
    """Weight of the loss on clean images. The loss on adversarial examples has 1 - alpha."""
    guard: bool = False
    """Rollback to the best weights if accuracy under PGD falls. The paper has none."""
    lr: float = 1e-3
    """Adam's initial learning rate, which a cosine reduces to 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 0, 1, "alpha")

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the system with the loss of section 6 and Adam."""
        net = nets["classifier"]
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        attack = Ascent(1, 1.0, data_start)
        return self.build(net, optimizer, cosine(self.lr, 0.0), total, attack=attack, loss=mixed_ce(self.alpha))

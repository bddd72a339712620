"""Generative adversarial nets (Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio 2014).

The generator has rectifiers, the discriminator maxout units with dropout, as in the paper's code for MNIST. Two
differences to the paper: Adam replaces momentum SGD, which needs a schedule for each data set, and samples come from an
EMA of the generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES
from sparring.nets.mlp import Discriminator, Generator
from sparring.recipes.generators.base import ImageGenerator
from sparring.recipes.recipe import adams, check_positive, check_range, ema_of, tunable


@dataclass(frozen=True, kw_only=True)
class GAN2014(ImageGenerator):
    """The first GAN: fully connected networks and the non-saturating loss."""

    name: ClassVar[str] = "gan2014"
    paper: ClassVar[str] = "Goodfellow et al. 2014, arXiv:1406.2661"
    labels: ClassVar[bool] = True

    hidden: int = 1200
    """Units in each of the generator's two hidden layers."""
    maxout: int = 240
    """Maxout units in each of the discriminator's two hidden layers."""
    pieces: int = 5
    """Linear pieces of a maxout unit."""
    batch_size: int = 100
    """Images per round, over all processes."""
    lr: float = tunable(2e-4, 1e-5, 1e-2, log=True)
    """Adam's learning rate of both players."""
    beta1: float = tunable(0.5, 0.0, 0.9)
    """Adam's beta1, the decay of the first moment."""

    def __post_init__(self) -> None:
        check_positive(
            self, "hidden", "maxout", "pieces", "latent_dim", "batch_size", "accumulation_steps", "lr", "ema_half_life"
        )
        check_range(self, 0, 1, "beta1")

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the MLPs of section 5."""
        return {
            "generator": Generator(spec.shape, self.latent_dim, self.hidden),
            "discriminator": Discriminator(spec.shape, self.maxout, self.pieces),
        }

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of Algorithm 1 with k = 1 and the non-saturating loss."""
        game = GAN(nets["generator"], nets["discriminator"], OBJECTIVES["nonsaturating"], latent_dim=self.latent_dim)
        adam = adams(nets, self.lr, self.beta1, beta2=0.999)
        return System(game, adam, ema_of(nets["generator"], total, half_life=self.ema_half_life, ramp=0.05))

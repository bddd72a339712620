"""Generative adversarial nets (Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio 2014).

A generator of rectifiers against a maxout discriminator with dropout, as in the paper's code for MNIST. We differ in
two places: momentum SGD is replaced by Adam (it needs a schedule tuned to each data set), and the generator that is
sampled from is an average over the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.loop import System
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES
from sparring.nets.mlp import Discriminator, Generator
from sparring.recipes.recipe import adams, average_of, check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class GAN2014:
    """Fully connected networks and the non-saturating game of the first paper."""

    name: ClassVar[str] = "gan2014"
    paper: ClassVar[str] = "Goodfellow et al. 2014, arXiv:1406.2661"
    kinds: ClassVar[tuple[str, ...]] = ("image",)
    truncates: ClassVar[bool] = False
    labels: ClassVar[bool] = True

    hidden: int = 1200
    """Rectifiers in each of the generator's two hidden layers."""
    maxout: int = 240
    """Maxout units in each of the discriminator's two hidden layers."""
    pieces: int = 5
    """Linear pieces of a maxout unit."""
    latent_dim: int = 100
    """Numbers of noise the generator takes."""
    batch_size: int = 100
    """Images a round, over all processes."""
    accumulate: int = 1
    """Parts in which a batch is played, to save memory."""
    lr: float = 2e-4
    """Adam's learning rate, for both."""
    beta1: float = 0.5
    """Adam's first-moment decay."""
    average: float = 0.02
    """Half-life of the averaged generator, as a share of the run."""
    mirror: bool = False
    """Flip every other image, where left and right mean the same."""

    def __post_init__(self) -> None:
        check_positive(self, "hidden", "maxout", "pieces", "latent_dim", "batch_size", "accumulate", "lr", "average")
        check_range(self, 0, 1, "beta1")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Nothing is left to choose."""
        return self

    def classes(self, spec: ImageSpec) -> int:
        """The first GAN knows no labels."""
        return 0

    def condition_stats(self, spec: ImageSpec) -> tuple[tuple[float, float], ...]:
        """Nor vectors."""
        return ()

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """The MLPs of section 5."""
        return {
            "generator": Generator(spec.shape, self.latent_dim, self.hidden),
            "discriminator": Discriminator(spec.shape, self.maxout, self.pieces),
        }

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Algorithm 1 with k = 1 and the non-saturating loss."""
        game = GAN(nets["generator"], nets["discriminator"], OBJECTIVES["nonsaturating"], latent_dim=self.latent_dim)
        adam = adams(nets, self.lr, self.beta1, beta2=0.999)
        return System(game, adam, average_of(nets["generator"], total, share=self.average, ramp=0.05))

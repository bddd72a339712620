"""DCGAN: unsupervised representation learning with deep convolutional GANs (Radford, Metz, Chintala 2015).

The paper's architecture guidelines (section 3) at any height and width: as many levels as halve the image down to
4 pixels or more. We differ in one place: the generator that is sampled from is an average over the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.loop import System
from sparring.games.gan import GAN, separate_forward
from sparring.games.objectives import OBJECTIVES
from sparring.nets.dcgan import Discriminator, Generator
from sparring.recipes.recipe import adams, average_of, check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class DCGAN:
    """Strided convolutions with batch normalisation in both players, and the non-saturating game."""

    name: ClassVar[str] = "dcgan"
    paper: ClassVar[str] = "Radford et al. 2015, arXiv:1511.06434"
    kinds: ClassVar[tuple[str, ...]] = ("image",)
    truncates: ClassVar[bool] = False
    labels: ClassVar[bool] = True

    width: int = 64
    """Channels at the level nearest the image; doubled at each level below."""
    latent_dim: int = 100
    """Numbers of noise the generator takes."""
    batch_size: int = 128
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
        check_positive(self, "width", "latent_dim", "batch_size", "accumulate", "lr", "average")
        check_range(self, 0, 1, "beta1")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Nothing is left to choose."""
        return self

    def classes(self, spec: ImageSpec) -> int:
        """DCGAN knows no labels."""
        return 0

    def condition_stats(self, spec: ImageSpec) -> tuple[tuple[float, float], ...]:
        """Nor vectors."""
        return ()

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """The networks of Figure 1, sized to the image."""
        return {
            "generator": Generator(spec.shape, self.latent_dim, self.width),
            "discriminator": Discriminator(spec.shape, self.width),
        }

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Section 4: Adam with 2e-4 and beta1 0.5; real and generated batches are normalised apart."""
        game = GAN(
            nets["generator"],
            nets["discriminator"],
            OBJECTIVES["nonsaturating"],
            latent_dim=self.latent_dim,
            forward=separate_forward,
        )
        adam = adams(nets, self.lr, self.beta1, beta2=0.999)
        return System(game, adam, average_of(nets["generator"], total, share=self.average, ramp=0.05))

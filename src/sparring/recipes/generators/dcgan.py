"""DCGAN: unsupervised representation learning with deep convolutional GANs (Radford, Metz, Chintala 2015).

It follows the paper's architecture guidelines (section 3) for any image size: levels halve the image as long as its
sides are 4 pixels or more. One difference to the paper: samples come from an EMA of the generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.games.gan import GAN, separate_forward
from sparring.games.objectives import OBJECTIVES
from sparring.nets.dcgan import Discriminator, Generator
from sparring.recipes.generators.base import ImageGenerator
from sparring.recipes.recipe import adams, check_positive, check_range, ema_of, tunable


@dataclass(frozen=True, kw_only=True)
class DCGAN(ImageGenerator):
    """DCGAN: strided convolutions with batch normalisation, and the non-saturating loss."""

    name: ClassVar[str] = "dcgan"
    paper: ClassVar[str] = "Radford et al. 2015, arXiv:1511.06434"
    labels: ClassVar[bool] = True

    width: int = 64
    """Channels at the finest level, doubled at each coarser one."""
    batch_size: int = 128
    """Images per round, over all processes."""
    lr: float = tunable(2e-4, 1e-5, 1e-2, log=True)
    """Adam's learning rate of both players."""
    beta1: float = tunable(0.5, 0.0, 0.9)
    """Adam's beta1, the decay of the first moment."""

    def __post_init__(self) -> None:
        check_positive(self, "width", "latent_dim", "batch_size", "accumulation_steps", "lr", "ema_half_life")
        check_range(self, 0, 1, "beta1")

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the networks of Figure 1, sized to the image."""
        return {
            "generator": Generator(spec.shape, self.latent_dim, self.width),
            "discriminator": Discriminator(spec.shape, self.width),
        }

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of section 4. Batch normalisation is separate for real and generated batches."""
        game = GAN(
            nets["generator"],
            nets["discriminator"],
            OBJECTIVES["nonsaturating"],
            latent_dim=self.latent_dim,
            forward=separate_forward,
        )
        adam = adams(nets, self.lr, self.beta1, beta2=0.999)
        return System(game, adam, ema_of(nets["generator"], total, half_life=self.ema_half_life, ramp=0.05))

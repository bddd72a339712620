"""LAPGAN: generative image models using a Laplacian pyramid of adversarial networks (Denton et al. 2015).

This is the paper's system for CIFAR10 (section 4) for any size that can be halved once: MLPs for the coarsest level and
CNNs for finer ones, conditioned on classes where there are labels (CC-LAPGAN). Differences to the paper:

- The noise plane of a finer level is a linear map of a chunk of z, so that one z gives an image; the paper draws one
  number per pixel.
- All levels are trained at once. They are independent, so the order does not change what each learns.
- Adam replaces momentum SGD, which needs a schedule for each data set.
- Widths are half the paper's and batches are small, for CPUs. --width 64 --hidden 1200 are the paper's widths.
- The coarsest discriminator has maxout units, as in `gan2014`; the paper has rectifiers.
- Samples come from an EMA of the generator, and the images of each level are clamped to [-1, 1].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.games.lapgan import LAPGAN as Game
from sparring.games.objectives import OBJECTIVES
from sparring.nets.laplacian import Discriminator, Generator
from sparring.nets.layers import halvings
from sparring.recipes.generators.base import ImageGenerator
from sparring.recipes.recipe import adams, check_positive, check_range, ema_of, tunable

MIN_COARSEST_SIDE = 7
"""Smallest side of the coarsest level, in pixels."""


@dataclass(frozen=True, kw_only=True)
class LAPGAN(ImageGenerator):
    """LAPGAN: a small image from the coarsest level of a Laplacian pyramid, details from a GAN at each finer one."""

    name: ClassVar[str] = "lapgan"
    paper: ClassVar[str] = "Denton et al. 2015, arXiv:1506.05751"

    levels: int | None = None
    """Levels of the pyramid, at least 2. None: as many as possible with sides of 7 pixels or more."""
    one_by_one: bool = False
    """Training of one level after the other from the coarsest, instead of all at once."""
    width: int = 32
    """Channels of the convolutions at finer levels."""
    hidden: int = 600
    """Units in each hidden layer of the coarsest generator. Its discriminator has a fifth as many maxout units."""
    latent_dim: int = 100
    """Dimension of the generator's noise, which is divided among the levels."""
    labels: bool = True
    """Conditioning of both players on class labels, where there are any."""
    batch_size: int = 32
    """Images per round, over all processes."""
    lr: float = tunable(5e-4, 1e-5, 1e-2, log=True)
    """Adam's learning rate of both players."""
    beta1: float = tunable(0.5, 0.0, 0.9)
    """Adam's beta1, the decay of the first moment."""

    def __post_init__(self) -> None:
        check_positive(
            self, "levels", "width", "hidden", "latent_dim", "batch_size", "accumulation_steps", "lr", "ema_half_life"
        )
        check_range(self, 0, 1, "beta1")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Choose the number of levels. Raises UsageError if the image is too small for it."""
        size, max_levels = f"{spec.height}x{spec.width}", len(halvings(spec.height, spec.width, MIN_COARSEST_SIDE))
        levels = self.levels or max_levels
        if max_levels < 2:
            raise UsageError(
                f"lapgan needs two levels, and {size} images cannot be halved once with sides of {MIN_COARSEST_SIDE} "
                f"pixels or more: use --size {_min_size(spec)} or larger, or --recipe dcgan"
            )
        if not 2 <= levels <= max_levels:
            allowed = f"2 to {max_levels}" if max_levels > 2 else "2"
            raise UsageError(f"--levels must be {allowed} for {size} images, not {levels}")
        if self.latent_dim < levels:
            raise UsageError(f"--latent-dim must be {levels} or more, one for each level, not {self.latent_dim}")
        return dataclasses.replace(self, levels=levels)

    def classes(self, spec: ImageSpec) -> int:
        """Return the number of classes of the data if there are two or more (CC-LAPGAN), else 0."""
        return len(spec.classes) if self.labels and len(spec.classes) > 1 else 0

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the networks of section 4, a pair for each level."""
        classes = self.classes(spec)
        sizes = halvings(spec.height, spec.width, MIN_COARSEST_SIDE)[: self.levels]
        return {
            "generator": Generator(spec.channels, sizes, self.latent_dim, self.width, self.hidden, classes),
            "discriminator": Discriminator(spec.channels, sizes, self.width, self.hidden, classes),
        }

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of section 3 with the non-saturating loss at each level."""
        generator, discriminator = nets["generator"], nets["discriminator"]
        if not (isinstance(generator, Generator) and isinstance(discriminator, Discriminator)):
            raise UsageError(
                "lapgan trains levels separately: use the networks of sparring.nets.laplacian instead of custom ones"
            )
        game = Game(
            generator,
            discriminator,
            OBJECTIVES["nonsaturating"],
            conditional=self.classes(spec) > 0,
            one_by_one=self.one_by_one,
        )
        adam = adams(nets, self.lr, self.beta1, beta2=0.999)
        return System(game, adam, ema_of(generator, total, half_life=self.ema_half_life, ramp=0.05))


def _min_size(spec: ImageSpec) -> str:
    """Return the smallest size of about the same aspect ratio that can be halved, as `14x14`."""
    scale = 2 * MIN_COARSEST_SIDE / min(spec.height, spec.width)
    return f"{round(spec.height * scale)}x{round(spec.width * scale)}"

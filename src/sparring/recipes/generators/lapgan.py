"""LAPGAN: generative image models using a Laplacian pyramid of adversarial networks (Denton, Chintala, Szlam, Fergus 2015).

The paper's system for CIFAR10 (section 4) at any size that can be halved once: fully connected networks make and judge
the coarsest level, convolutions each finer one; with labels, where there are any (CC-LAPGAN). We differ in these:

- the noise plane of a finer level is a linear map of its share of the latents, for one `z` to make a whole image; the
  paper draws a number for each pixel;
- the levels play at once, in one run (they are independent: the order makes no difference to what each one learns);
- Adam in place of momentum SGD, which needs a schedule tuned to each data set;
- half the paper's widths, small batches and a quick pace, for CPUs: --width 64 --hidden 1200 are the paper's;
- maxout in the coarsest discriminator, as in our first GAN, where the paper has rectifiers;
- the generator that is sampled from is an average over the run, and holds each level's images to [-1, 1].
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
from sparring.recipes.recipe import adams, average_of, check_positive, check_range

COARSEST = 7
"""Pixels that a side of the coarsest level has at least."""


@dataclass(frozen=True, kw_only=True)
class LAPGAN:
    """A GAN at each level of a Laplacian pyramid: the coarsest makes a small image, each finer one its details."""

    name: ClassVar[str] = "lapgan"
    paper: ClassVar[str] = "Denton et al. 2015, arXiv:1506.05751"
    kinds: ClassVar[tuple[str, ...]] = ("image",)
    truncates: ClassVar[bool] = False

    levels: int | None = None
    """Levels of the pyramid, two or more. None: as many as halve the image down to 7 pixels or more."""
    one_by_one: bool = False
    """Train one level after the other, the coarsest first, instead of all at once."""
    width: int = 32
    """Channels of the convolutions at the finer levels."""
    hidden: int = 600
    """Units in each hidden layer of the coarsest generator; its discriminator has a fifth, of five pieces each."""
    latent_dim: int = 100
    """Numbers of noise the generator takes: each level has a share."""
    labels: bool = True
    """Give the labels to both players, where there are any."""
    batch_size: int = 32
    """Images a round, over all processes."""
    accumulate: int = 1
    """Parts in which a batch is played, to save memory."""
    lr: float = 5e-4
    """Adam's learning rate, for both."""
    beta1: float = 0.5
    """Adam's first-moment decay."""
    average: float = 0.02
    """Half-life of the averaged generator, as a share of the run."""
    mirror: bool = False
    """Flip every other image, where left and right mean the same."""

    def __post_init__(self) -> None:
        check_positive(self, "levels", "width", "hidden", "latent_dim", "batch_size", "accumulate", "lr", "average")
        check_range(self, 0, 1, "beta1")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """The number of levels; raises UsageError where the image is too small for it."""
        size, most = f"{spec.height}x{spec.width}", len(halvings(spec.height, spec.width, COARSEST))
        levels = self.levels or most
        if most < 2:
            raise UsageError(
                f"lapgan needs two levels or more, and {size} images can be halved down to {COARSEST} pixels not even "
                f"once: --size {_larger(spec)} or larger, or --recipe dcgan"
            )
        if not 2 <= levels <= most:
            there = f"2 to {most}" if most > 2 else "2"
            raise UsageError(f"--levels must be {there} for {size} images, not {levels}")
        if self.latent_dim < levels:
            raise UsageError(f"--latent-dim must be {levels} or more, one for each level, not {self.latent_dim}")
        return dataclasses.replace(self, levels=levels)

    def classes(self, spec: ImageSpec) -> int:
        """Those of the data, where there are two or more: the paper's CC-LAPGAN."""
        return len(spec.classes) if self.labels and len(spec.classes) > 1 else 0

    def condition_stats(self, spec: ImageSpec) -> tuple[tuple[float, float], ...]:
        """None: CC-LAPGAN takes classes."""
        return ()

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """The networks of section 4, a pair for each level."""
        classes = self.classes(spec)
        sizes = halvings(spec.height, spec.width, COARSEST)[: self.levels]
        return {
            "generator": Generator(spec.channels, sizes, self.latent_dim, self.width, self.hidden, classes),
            "discriminator": Discriminator(spec.channels, sizes, self.width, self.hidden, classes),
        }

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Section 3: the non-saturating game at each level."""
        generator, discriminator = nets["generator"], nets["discriminator"]
        if not (isinstance(generator, Generator) and isinstance(discriminator, Discriminator)):
            raise UsageError(
                "lapgan plays level by level: networks of your own must be those of sparring.nets.laplacian"
            )
        game = Game(
            generator,
            discriminator,
            OBJECTIVES["nonsaturating"],
            conditional=self.classes(spec) > 0,
            one_by_one=self.one_by_one,
        )
        adam = adams(nets, self.lr, self.beta1, beta2=0.999)
        return System(game, adam, average_of(generator, total, share=self.average, ramp=0.05))


def _larger(spec: ImageSpec) -> str:
    """The smallest size of about these proportions that can be halved: `14x14`."""
    scale = 2 * COARSEST / min(spec.height, spec.width)
    return f"{round(spec.height * scale)}x{round(spec.width * scale)}"

"""R3: the modern baseline (Huang, Gokaslan, Kuleshov, Tompkin 2024, "The GAN is dead; long live the GAN!").

The relativistic paired logistic loss (Eq. 2) with R1 (Eq. 3) and R2 (Eq. 4) at every step, a discriminator without
normalisation, and one cosine for the learning rate, beta2, gamma and the average's half-life (section 4 and appendix).

Where we differ, by measurement on two CPU cores (LOG.md): plain pyramids of strided convolutions instead of ConvNeXt-like
residual blocks, which do twice the rounds and more in the same minutes; layer normalisation per pixel in the generator
instead of a Fixup-style start without any (the Fréchet distance halves); and the average's half-life is a share of the
images so far, which needs no knowledge of the run's length.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from sparring.engine.device import Hardware
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.engine.spec import Spec
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import r1, r2
from sparring.nets.pyramid import Discriminator, Generator
from sparring.recipes.recipe import adams, average_of, check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class R3:
    """Relativistic pairs, R1 and R2, one cosine for all that changes."""

    name: ClassVar[str] = "r3"
    paper: ClassVar[str] = "Huang et al. 2024, arXiv:2501.05441"
    truncates: ClassVar[bool] = False

    width: int | None = None
    """Generator channels at the level nearest the image, doubled at each below. None: by hardware, size and number."""
    discriminator_width: int | None = None
    """The same of the discriminator. None: two thirds of the generator's."""
    most: int = 512
    """Channels at most."""
    latents: int = 64
    """Numbers of noise the generator takes."""
    labels: bool = True
    """Give the labels to both players, where there are any."""
    batch_size: int = 64
    """Images a round, over all processes."""
    accumulate: int = 1
    """Parts in which a batch is played, to save memory."""
    lr: float = 1e-3
    """Adam's learning rate at the start, for both."""
    lr_end: float = 1e-4
    """And at the end."""
    beta2: float = 0.99
    """Adam's second-moment decay at the start (beta1 is 0)."""
    beta2_end: float = 0.99
    """And at the end."""
    gamma: float | None = None
    """Weight of R1 and of R2 at the start. None: 0.3 for 28x28 grey, by the number of values; at least 1 for few images."""
    gamma_end: float | None = None
    """And at the end. None: a third of gamma."""
    interval: int = 1
    """R1 and R2 every so many rounds, that many times as strong."""
    average: float = 0.02
    """Half-life of the averaged generator, as a share of the run."""
    mirror: bool = False
    """Flip every other image, where left and right mean the same."""

    def __post_init__(self) -> None:
        check_positive(
            self, "width", "discriminator_width", "most", "latents", "batch_size", "accumulate", "lr", "lr_end", "interval",
            "average",
        )  # fmt: skip
        check_range(self, 0, 1, "beta2", "beta2_end")
        check_range(self, 0, float("inf"), "gamma", "gamma_end")

    def resolve(self, spec: Spec, hardware: Hardware) -> Self:
        """Widths by hardware, size and number of images; gamma by the number of values in an image."""
        width = self.width or width_for(spec, hardware)
        gamma = self.gamma if self.gamma is not None else gamma_for(spec)
        return dataclasses.replace(
            self,
            width=width,
            discriminator_width=self.discriminator_width or max(width * 2 // 3, 1),
            gamma=gamma,
            gamma_end=self.gamma_end if self.gamma_end is not None else round(gamma / 3, 6),
        )

    def conditional(self, spec: Spec) -> bool:
        """With labels, where there are two classes or more."""
        return self.labels and len(spec.classes) > 1

    def nets(self, spec: Spec) -> dict[str, nn.Module]:
        """Mirrored pyramids of strided convolutions."""
        classes = len(spec.classes) if self.conditional(spec) else 0
        assert self.width and self.discriminator_width
        return {
            "generator": Generator(spec.shape, self.latents, self.width, self.most, classes),
            "discriminator": Discriminator(spec.shape, self.discriminator_width, self.most, classes),
        }

    def system(self, spec: Spec, nets: Mapping[str, nn.Module], total: int) -> System:
        """The game of Eq. 2 to 4, its optimizers and schedules."""
        assert self.gamma is not None and self.gamma_end is not None
        gamma = cosine(self.gamma, self.gamma_end)
        game = GAN(
            nets["generator"],
            nets["discriminator"],
            OBJECTIVES["relativistic"],
            latents=self.latents,
            penalties=[r1(gamma, self.interval), r2(gamma, self.interval)],
            conditional=self.conditional(spec),
        )
        moving = {"lr": cosine(self.lr, self.lr_end), "beta2": cosine(self.beta2, self.beta2_end)}
        average = average_of(nets["generator"], total, share=self.average, ramp=self.average)
        return System(game, adams(nets, self.lr, 0.0, self.beta2), average, dict.fromkeys(nets, moving))


FEW = 5_000
"""Images below which networks are narrower, and the penalty is no weaker than 1."""


def gamma_for(spec: Spec) -> float:
    """In proportion to the number of values; with few small images a weak penalty lets the generator collapse (LOG.md)."""
    by_size = round(0.3 * math.prod(spec.shape) / 784, 6)
    return by_size if spec.count >= FEW else max(by_size, 1.0)


def width_for(spec: Spec, hardware: Hardware) -> int:
    """Channels that give many rounds by tonight: fewer for larger images, for fewer images, and without a GPU."""
    side = (spec.height * spec.width) ** 0.5
    width = 96 if side <= 32 else 64 if side <= 64 else 48 if side <= 128 else 32
    if hardware.device.type != "cpu":
        width *= 2
    return width if spec.count >= FEW else width * 2 // 3

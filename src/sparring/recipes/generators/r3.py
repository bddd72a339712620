"""R3: the modern baseline (Huang, Gokaslan, Kuleshov, Tompkin 2024, "The GAN is dead; long live the GAN!").

The relativistic paired logistic loss (Eq. 2) with R1 (Eq. 3) and R2 (Eq. 4) at every step, a discriminator without
normalisation, and one cosine for the learning rate, beta2 and gamma (section 4 and appendix).

Where we differ, by measurement on two CPU cores (docs/lab-notebook.md): plain pyramids of strided convolutions instead of ConvNeXt-like
residual blocks, which do twice the rounds and more in the same minutes; layer normalisation per pixel in the generator
instead of a Fixup-style start without any (the Fréchet distance halves), and a sketch of the image at every level (it halves
again where rounds are few); batches of 32; gamma is moved to hold D's steepness, where there are images enough for that; few
images are augmented as ADA decides, where the paper goes by a schedule; and the average's half-life is a share of the
images so far, which needs no knowledge of the run's length.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import nn

from sparring.data.gan_augment import AUGMENTS
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.adaptive_gamma import AdaptiveGamma
from sparring.games.gan import GAN
from sparring.games.hints import parse_hints
from sparring.games.label_completion import LabelCompletion, rotations_for
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import r1, r2
from sparring.nets.auxiliary_heads import AuxiliaryHeads
from sparring.nets.strided_gan import Discriminator, Generator
from sparring.recipes.recipe import adams, average_of, check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class R3:
    """Relativistic pairs with R1 and R2 at every step."""

    name: ClassVar[str] = "r3"
    paper: ClassVar[str] = "Huang et al. 2024, arXiv:2501.05441"
    kinds: ClassVar[tuple[str, ...]] = ("image",)
    truncates: ClassVar[bool] = False

    preset: str | None = None
    """small (for CPUs), medium (a GPU) or large (a GPU of 40 GB or more): twice and four times the width. None: by hardware."""
    width: int | None = None
    """Generator channels at the level nearest the image, doubled at each below. None: by preset, size and number."""
    discriminator_width: int | None = None
    """The same of the discriminator. None: two thirds of the generator's."""
    max_channels: int | None = None
    """Channels at most. None: by preset, 512, 512 or 1024."""
    latent_dim: int = 64
    """Numbers of noise the generator takes."""
    labels: bool = True
    """Give the labels (classes or vectors) to both players; where few images have a class, the others' are completed."""
    batch_size: int = 32
    """Images a round, over all processes. More fill a GPU better; on a CPU many rounds matter more."""
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
    """Weight of R1 and of R2 at the start. None: 0.3 for 28x28 grey, by the size's square; of few images by the size."""
    gamma_end: float | None = None
    """And at the end. None: a third of gamma. Only where gamma is not moved by --steepness."""
    steepness: float | None = None
    """Move gamma so that D is as steep as this; 0: gamma goes its cosine. None: 160, or 0 where gamma is given or images few."""
    interval: int = 1
    """R1 and R2 every so many rounds, that many times as strong."""
    average: float = 0.02
    """Half-life of the averaged generator, as a share of the run."""
    augment: str | None = None
    """What D sees all images through: none, diff, or ada. None: by the number of images."""
    hints: str = ""
    """Facts about the images: mirror, tileable, smooth, palette:RRGGBB,RRGGBB; mirror+smooth*2 is two, one strong."""
    hint_weight: float = 1.0
    """What G pays for a violation."""
    mirror: bool = False
    """Flip every other image, where left and right mean the same."""

    def __post_init__(self) -> None:
        check_positive(
            self, "width", "discriminator_width", "max_channels", "latent_dim", "batch_size", "accumulate", "lr", "lr_end", "interval",
            "average", "gamma", "hint_weight",
        )  # fmt: skip
        check_range(self, 0, 1, "beta2", "beta2_end")
        check_range(self, 0, float("inf"), "gamma_end", "steepness")
        if self.steepness and self.gamma_end not in (None, self.gamma):
            raise UsageError("--gamma-end is for a gamma that goes its cosine: it needs --steepness 0")
        if self.preset not in (None, *PRESETS):
            raise UsageError(f"unknown --preset '{self.preset}': {did_you_mean(str(self.preset), PRESETS)}")
        if self.augment not in (None, "none", *AUGMENTS):
            raise UsageError(
                f"unknown --augment '{self.augment}': {did_you_mean(str(self.augment), ['none', *AUGMENTS])}"
            )
        parse_hints(self.hints, self.hint_weight)  # what is wrong with them is said before anything begins

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Widths by hardware, size and number of images; augmentation by the number of images."""
        preset = self.preset or preset_for(hardware)
        times, max_channels = PRESETS[preset]
        width = self.width or times * width_for(spec)
        free = self.gamma is None and spec.count >= FEW
        steepness = self.steepness if self.steepness is not None else STEEPNESS if free else 0.0
        gamma = self.gamma if self.gamma is not None else gamma_for(spec)
        return dataclasses.replace(
            self,
            preset=preset,
            width=width,
            max_channels=self.max_channels or max_channels,
            discriminator_width=self.discriminator_width or max(width * 2 // 3, 1),
            gamma=gamma,
            gamma_end=self.gamma_end if self.gamma_end is not None else gamma if steepness else round(gamma / 3, 6),
            steepness=steepness,
            augment=self.augment or ("none" if spec.count >= FEW else "ada"),
        )

    def classes(self, spec: ImageSpec) -> int:
        """Those of the data, where there are two or more."""
        return len(spec.classes) if self.labels and len(spec.classes) > 1 else 0

    def condition_stats(self, spec: ImageSpec) -> tuple[tuple[float, float], ...]:
        """Those of the data: vectors are told as they are, and standardised by the networks."""
        return spec.condition_stats if self.labels else ()

    def _completes(self, spec: ImageSpec) -> bool:
        return self.classes(spec) > 0 and spec.unlabelled > 0

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Mirrored pyramids of strided convolutions."""
        classes, condition_stats = self.classes(spec), self.condition_stats(spec)
        assert self.width and self.discriminator_width and self.max_channels
        discriminator: nn.Module = Discriminator(
            spec.shape, self.discriminator_width, self.max_channels, classes, condition_stats
        )
        if self._completes(spec):
            discriminator = AuxiliaryHeads(discriminator, classes, len(rotations_for(spec.height, spec.width)))
        return {
            "generator": Generator(
                spec.shape, self.latent_dim, self.width, self.max_channels, classes, condition_stats
            ),
            "discriminator": discriminator,
        }

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """The game of Eq. 2 to 4, its optimizers and schedules."""
        assert self.gamma is not None and self.gamma_end is not None and self.augment is not None
        device = next(nets["generator"].parameters()).device
        held = AdaptiveGamma(self.gamma, self.steepness).to(device) if self.steepness else None
        gamma = held or cosine(self.gamma, self.gamma_end)
        augment = AUGMENTS[self.augment](spec.shape).to(device) if self.augment != "none" else None
        game = GAN(
            nets["generator"],
            nets["discriminator"],
            OBJECTIVES["relativistic"],
            latent_dim=self.latent_dim,
            penalties=[r1(gamma, self.interval), r2(gamma, self.interval)],
            conditional=self.classes(spec) > 0 or self.condition_stats(spec) != (),
            augment=augment,
            gamma_controller=held,
            completion=HEADS if isinstance(nets["discriminator"], AuxiliaryHeads) else None,
            terms=parse_hints(self.hints, self.hint_weight),
        )
        moving = {"lr": cosine(self.lr, self.lr_end), "beta2": cosine(self.beta2, self.beta2_end)}
        average = average_of(nets["generator"], total, share=self.average, ramp=self.average)
        return System(game, adams(nets, self.lr, 0.0, self.beta2), average, dict.fromkeys(nets, moving))


HEADS = LabelCompletion(class_weight=0.1, rotation_weight=0.1, generator_weight=0.0)
"""Where labels are few. At full weight the heads bend D's features to their own ends (docs/lab-notebook.md)."""
FEW = 5_000
"""Images below which networks are narrower, and D learns them by heart unless it sees them augmented (ADA decides how
much). A held steepness would let gamma fall then, to where D is as steep at images it knows as it is bidden."""
STEEPNESS = 160.0
"""Where the best hand-set gammas of all data we have lead (docs/lab-notebook.md)."""


def gamma_for(spec: ImageSpec) -> float:
    """Where the penalty's weight begins: in proportion to the square of the number of values (`games/adaptive_gamma.py`).

    With few images, to the number itself, and 1 or more: a weaker one lets the generator collapse on small images, a
    stronger one leaves it behind on large ones (docs/lab-notebook.md).
    """
    size = math.prod(spec.shape) / 784
    return round(0.3 * size**2, 6) if spec.count >= FEW else max(round(0.3 * size, 6), 1.0)


PRESETS = {"small": (1, 512), "medium": (2, 512), "large": (4, 1024)}
"""Name -> how many times as wide as on a CPU, and channels at most. Those for GPUs are not measured yet."""


def preset_for(hardware: Hardware) -> str:
    """By the hardware's kind and memory."""
    if hardware.device.type != "cuda" or not torch.cuda.is_available():
        return "small" if hardware.device.type == "cpu" else "medium"
    return "large" if torch.cuda.get_device_properties(hardware.device).total_memory > 40e9 else "medium"


def width_for(spec: ImageSpec) -> int:
    """Channels that give many rounds on a CPU by tonight: fewer for larger images, and for fewer images."""
    side = (spec.height * spec.width) ** 0.5
    width = 96 if side <= 32 else 64 if side <= 64 else 48 if side <= 128 else 32
    return width if spec.count >= FEW else width * 2 // 3

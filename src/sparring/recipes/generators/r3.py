"""R3: the modern baseline (Huang, Gokaslan, Kuleshov, Tompkin 2024, "The GAN is dead; long live the GAN!").

The relativistic paired logistic loss (Eq. 2) with R1 (Eq. 3) and R2 (Eq. 4) at every step, a discriminator without
normalisation, and one cosine schedule for learning rate, beta2 and gamma (section 4 and appendix).

Differences to the paper, measured on two CPU cores (docs/lab-notebook.md):

- Strided convolutions instead of ConvNeXt-like residual blocks: more than twice the rounds in the same time.
- Layer normalisation per pixel in the generator instead of Fixup-style initialisation: it halves the Fréchet distance.
- An image output at every level of the generator: it halves the distance again in short runs.
- Batches of 32.
- With enough images a controller adapts gamma to keep the discriminator's steepness.
- With few images ADA sets the augmentation; the paper has a schedule.
- The EMA's half-life is a fraction of the images so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import nn

from sparring.data.augment.gan import AUGMENTS
from sparring.data.in_memory import IndexedDataset
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.adaptive_gamma import AdaptiveGamma
from sparring.games.gan import GAN
from sparring.games.hints import parse_hints
from sparring.games.label_completion import LabelCompletion
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import r1, r2, squared_norm
from sparring.nets.auxiliary_heads import AuxiliaryHeads
from sparring.recipes import R3_KINDS
from sparring.recipes.generators.base import ImageGenerator
from sparring.recipes.generators.networks import (
    HALVES,
    augment_for,
    check_settings,
    defaults_for,
    fit_parts,
    networks_for,
)
from sparring.recipes.recipe import adams, check_positive, check_range, ema_of, tunable


@dataclass(frozen=True, kw_only=True)
class R3(ImageGenerator):
    """R3: the relativistic paired loss with R1 and R2 at every step."""

    name: ClassVar[str] = "r3"
    kinds: ClassVar[tuple[str, ...]] = R3_KINDS
    paper: ClassVar[str] = "Huang et al. 2024, arXiv:2501.05441"

    preset: str | None = None
    """Network size: small (CPUs), medium (GPUs, twice the width) or large (GPUs of 40 GB, 4 times).

    None: by hardware.
    """
    width: int | None = None
    """Generator channels at the finest level, doubled at each coarser one.

    None: by preset, size and number of images.
    """
    discriminator_width: int | None = None
    """Discriminator channels at the finest level. None: two thirds of the generator's."""
    max_channels: int | None = None
    """Largest number of channels at any level. None: 512, or 1024 for preset large."""
    blocks: int = 0
    """Residual blocks at each level of the networks of images, sounds and pairs.

    One learns more from each MNIST digit; CIFAR-10 collapsed (docs/lab-notebook.md).
    """
    latent_dim: int = 64
    """Dimension of the generator's noise; of series: of the noise of a window, beside that of each step."""
    labels: bool = True
    """Conditioning of both players on labels (classes or vectors). Missing classes are predicted."""
    batch_size: int = 32
    """Images per round, over all processes. Larger batches use a GPU better; on a CPU more rounds are better."""
    lr: float = tunable(1e-3, 1e-4, 1e-2, log=True)
    """Adam's initial learning rate of both players."""
    lr_end: float = tunable(1e-4, 1e-5, 1e-3, log=True)
    """Adam's final learning rate."""
    beta2: float = tunable(0.99, 0.9, 0.999)
    """Adam's initial beta2, the decay of the second moment (beta1 is 0)."""
    beta2_end: float = 0.99
    """Adam's final beta2."""
    gamma: float | None = None
    """Initial weight of R1 and R2. None: 0.3 * (values / 784)^2; for few images 0.3 * values / 784, at least 1."""
    gamma_end: float | None = None
    """Final weight of R1 and R2, if --steepness is 0. None: a third of gamma."""
    steepness: float | None = None
    """Target steepness of the discriminator, which adapts gamma; 0: a cosine schedule.

    None: 160; 0 for few images or a given gamma.
    """
    penalty_interval: int = 1
    """Rounds between uses of R1 and R2, which are multiplied by this number.

    4 saves a fifth of the time; CIFAR-10 lost by it in a short training (docs/lab-notebook.md).
    """
    ema_half_life: float = tunable(0.08, 0.002, 0.2, log=True)
    """Half-life of the generator's EMA, as a fraction of the run."""
    augment: str | None = None
    """Augmentation of the discriminator's inputs: none, diff or ada; none or sound of sounds; none or halves of pairs.

    None: by the number of examples.
    """
    hints: str = ""
    """Known properties of the images: mirror, tileable, smooth, palette:RRGGBB,RRGGBB; or mirror+smooth*2."""
    hint_weight: float = 1.0
    """Weight of the hints in the generator's loss."""

    def __post_init__(self) -> None:
        check_positive(
            self, "width", "discriminator_width", "max_channels", "latent_dim", "batch_size",
            "accumulation_steps", "lr", "lr_end", "penalty_interval", "ema_half_life", "gamma", "hint_weight",
        )  # fmt: skip
        check_range(self, 0, 1, "beta2", "beta2_end")
        check_range(self, 0, float("inf"), "gamma_end", "steepness", "blocks")
        if self.steepness and self.gamma_end not in (None, self.gamma):
            raise UsageError("--gamma-end is for a cosine schedule of gamma: add --steepness 0")
        if self.preset not in (None, *PRESETS):
            raise UsageError(f"unknown --preset '{self.preset}': {did_you_mean(str(self.preset), PRESETS)}")
        if self.augment not in (None, *(names := ["none", *AUGMENTS, HALVES])):
            raise UsageError(f"unknown --augment '{self.augment}': {did_you_mean(str(self.augment), names)}")
        parse_hints(self.hints, self.hint_weight)  # raises UsageError early

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Choose widths by hardware and data, and augmentation and gamma by the data."""
        check_settings(spec, self)
        preset, defaults = self.preset or preset_for(hardware), defaults_for(spec)
        factor, max_channels = PRESETS[preset]
        width = self.width or factor * defaults.width
        adapts = self.gamma is None and defaults.adapts
        steepness = self.steepness if self.steepness is not None else STEEPNESS if adapts else 0.0
        gamma = self.gamma if self.gamma is not None else defaults.gamma
        return replace(
            self,
            preset=preset,
            width=width,
            max_channels=self.max_channels or max_channels,
            discriminator_width=self.discriminator_width or max(width * 2 // 3, 1),
            gamma=gamma,
            gamma_end=self.gamma_end if self.gamma_end is not None else gamma if steepness else round(gamma / 3, 6),
            steepness=steepness,
            augment=self.augment or defaults.augment,
        )

    def classes(self, spec: Any) -> int:
        """Return the number of classes if there are two or more and `labels` is set, else 0."""
        return len(spec.classes) if self.labels and len(spec.classes) > 1 else 0

    def condition_stats(self, spec: Any) -> tuple[tuple[float, float], ...]:
        """Return mean and standard deviation of vector labels, by which the networks standardise them."""
        return spec.condition_stats if self.labels else ()

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the networks for this kind of data (`recipes/generators/networks.py`)."""
        return networks_for(spec, self)

    def fit_parts(self, nets: Mapping[str, nn.Module], data: IndexedDataset) -> None:
        """Fit fixed parts of fresh networks to the training rows."""
        fit_parts(data.spec, nets, data)

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of Eq. 2 to 4 with optimizers and schedules."""
        assert self.gamma is not None and self.gamma_end is not None and self.augment is not None
        device = next(nets["generator"].parameters()).device
        norm = getattr(nets["discriminator"], "squared_gradient", squared_norm)
        controller = AdaptiveGamma(self.gamma, self.steepness).to(device) if self.steepness else None
        gamma = controller or cosine(self.gamma, self.gamma_end)
        augment = augment_for(spec, self.augment)
        game = GAN(
            nets["generator"],
            nets["discriminator"],
            OBJECTIVES["relativistic"],
            latent_dim=getattr(nets["generator"], "latent_dim", self.latent_dim),
            penalties=[replace(p(gamma, self.penalty_interval), function=norm) for p in (r1, r2)],
            conditional=self.classes(spec) > 0 or self.condition_stats(spec) != (),
            augment=augment.to(device) if augment is not None else None,
            gamma_controller=controller,
            completion=HEADS if isinstance(nets["discriminator"], AuxiliaryHeads) else None,
            terms=parse_hints(self.hints, self.hint_weight),
        )
        schedules = {"lr": cosine(self.lr, self.lr_end), "beta2": cosine(self.beta2, self.beta2_end)}
        ema = ema_of(nets["generator"], total, half_life=self.ema_half_life, ramp=self.ema_half_life)
        return System(game, adams(nets, self.lr, 0.0, self.beta2), ema, dict.fromkeys(nets, schedules))


HEADS = LabelCompletion(class_weight=0.1, rotation_weight=0.1, generator_weight=0.0)
"""Label completion. At full weight the heads dominate the discriminator's features (docs/lab-notebook.md)."""
STEEPNESS = 160.0
"""Steepness at the best hand-tuned gammas of all data sets that were measured (docs/lab-notebook.md)."""


PRESETS = {"small": (1, 512), "medium": (2, 512), "large": (4, 1024)}
"""Preset -> (width factor, largest number of channels). Those for GPUs are not measured yet."""


def preset_for(hardware: Hardware) -> str:
    """Return the preset for a kind of hardware and its memory."""
    if hardware.device.type != "cuda" or not torch.cuda.is_available():
        return "small" if hardware.device.type == "cpu" else "medium"
    return "large" if torch.cuda.get_device_properties(hardware.device).total_memory > 40e9 else "medium"

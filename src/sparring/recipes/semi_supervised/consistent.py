"""Consistent: FixMatch with a mean teacher, combined with the generator of Improved GAN.

- The teacher is an EMA of the classifier (Tarvainen and Valpola 2017).
- Its confident pseudo-labels are learned for strongly augmented copies of unlabelled images (Sohn et al. 2020,
  "FixMatch").
- Pseudo-labels are balanced over the classes (Berthelot et al. 2020).
- A generator matches features, and its images belong to no class (Salimans et al. 2016).

The learning rate has a cosine schedule. benchmarks/fewlabels_parts.py ablates each part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from sparring.data.augment.classifier import Augmentation
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.consistency import Consistency
from sparring.games.semi_supervised import ClassifierTerm, SemiSupervisedGAN
from sparring.nets.cnn_classifier import CNNClassifier
from sparring.nets.strided_gan import Generator
from sparring.recipes.classifier_recipe import Change, SemiSupervisedRecipe, joint_ema, teacher_of
from sparring.recipes.recipe import check_positive, check_range, tunable

STRONG = Augmentation(turn=25, stretch=0.25, slant=0.3, move=0.12, light=0.4, cut=0.5, stroke=0.5, jitter=0.5)
"""Augmentation of unlabelled images for the classifier. Labelled images get 0.7 times its strength."""
WEAK = Augmentation(turn=8, stretch=0.08, slant=0.1, move=0.04, jitter=0.1)
"""Test-time augmentation."""
FEATURES = 128
"""Number of features of the classifier."""


@dataclass(frozen=True, kw_only=True)
class Consistent(SemiSupervisedRecipe):
    """Consistent: confident pseudo-labels of an EMA teacher, strong augmentation, and a generator."""

    name: ClassVar[str] = "consistent"
    paper: ClassVar[str] = "Sohn et al. 2020, arXiv:2001.07685, and Salimans et al. 2016"
    augmentation: ClassVar[Change | None] = STRONG.times(0.5)
    tta: ClassVar[Change | None] = WEAK

    width: int | None = None
    """Channels of the classifier's first convolution, twice as many in the second. None: by the image size."""
    latent_dim: int = 64
    """Dimension of the generator's noise."""
    batch_size: int = 72
    """Unlabelled images per round; half as many are generated."""
    labelled_batch_size: int = 24
    """Labelled images per round, with equal probability of classes."""
    lr: float = tunable(2e-3, 1e-4, 0.05, log=True)
    """AdamW's initial learning rate, which a cosine reduces to a fiftieth."""
    weight_decay: float = tunable(0.005, 1e-4, 0.1, log=True)
    """AdamW's weight decay."""
    ema_half_life: float = 0.02
    """Half-life of the EMA, which is also the teacher, as a fraction of the run."""
    generated_weight: float = 1.0
    """Weight of the real-or-generated loss; 0 disables the generator."""
    consistency_weight: float = 1.0
    """Weight of the pseudo-label loss; 0 disables pseudo-labels."""
    confidence: float = 0.95
    """Smallest probability of a pseudo-label that is used."""
    balance_classes: bool = True
    """Balancing of pseudo-labels over the classes, for data with about equally frequent classes."""
    augment_strength: float = 1.0
    """Strength of all augmentation in training; 0 disables it. Calibration and predictions do not depend on it."""
    strokes: bool = True
    """Random strokes (a drawn line) among the strong augmentations, for classes that differ by more than a stroke."""
    mirror: bool = False
    """Random horizontal flips, for images without a left-right orientation."""

    def __post_init__(self) -> None:
        check_positive(self, "width", "latent_dim", "batch_size", "labelled_batch_size", "lr", "ema_half_life")
        check_range(self, 0, 1, "weight_decay")
        check_range(self, 0, float("inf"), "generated_weight", "consistency_weight", "augment_strength")
        check_range(self, 0, 1, "confidence")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Choose the width by the image size."""
        side = (spec.height * spec.width) ** 0.5
        return dataclasses.replace(self, width=self.width or (24 if side <= 32 else 16))

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return CNNs with layer normalisation per pixel, whose outputs do not depend on the batch."""
        assert self.width
        return {
            "generator": Generator(spec.shape, self.latent_dim, self.width, 8 * self.width),
            "classifier": CNNClassifier(spec.shape, self.width, 16 * self.width, FEATURES, len(spec.classes)),
        }

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Do nothing: layer normalisation needs no data-dependent initialisation."""

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game with AdamW for the classifier and Adam for the generator."""
        ema = joint_ema(nets, total, self.ema_half_life)
        strong = STRONG.times(self.augment_strength)
        if not self.strokes:
            strong = dataclasses.replace(strong, stroke=0.0)
        terms: dict[str, ClassifierTerm] = {}
        if self.consistency_weight:
            device = next(nets["classifier"].parameters()).device
            terms["consistency"] = Consistency(
                teacher_of(ema), len(spec.classes), Augmentation(move=0.04), strong,
                weight=self.consistency_weight, confidence=self.confidence, balance_classes=self.balance_classes,
                confident_only=device.type == "cpu" and isinstance(nets["classifier"], CNNClassifier),
            ).to(device)  # fmt: skip
        game = SemiSupervisedGAN(
            nets["generator"],
            nets["classifier"],
            latent_dim=self.latent_dim,
            generated_weight=self.generated_weight,
            game_fraction=0.5,
            augment=strong.times(0.7),
            terms=terms,
        )
        optimizers: dict[str, Optimizer] = {
            "classifier": AdamW(
                nets["classifier"].parameters(), self.lr, (0.9, 0.99), weight_decay=self.weight_decay, fused=True
            )
        }
        lr = {"classifier": {"lr": cosine(self.lr, self.lr / 50)}}
        if self.generated_weight:
            optimizers["generator"] = Adam(nets["generator"].parameters(), 1e-3, (0.5, 0.99), fused=True)
        return System(game, optimizers, ema, lr, graph_capturable=True)

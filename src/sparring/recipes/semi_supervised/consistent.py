"""Consistent: what is now known about few labels, with the game of Improved GAN in it.

A convolutional classifier and its running average, the teacher (Tarvainen and Valpola 2017); labelled images changed at
random; labels for the unlabelled where the teacher is sure, which must hold for the same image changed strongly (Sohn et al.
2020, "FixMatch"); classes brought to equal shares (Berthelot et al. 2020); one cosine for the learning rate. And a generator
that matches features (Salimans et al. 2016), whose images belong to none of the classes. What each part is worth is measured
by taking it out (benchmarks/fewlabels_parts.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from sparring.data.classifier_augment import Augmentation
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.consistency import Consistency
from sparring.games.semi_supervised import ClassifierTerm, SemiSupervisedGAN
from sparring.nets.cnn_classifier import CNNClassifier
from sparring.nets.strided_gan import Generator
from sparring.recipes.classifier_recipe import SemiSupervisedRecipe, average_of_both, teacher_of
from sparring.recipes.recipe import check_positive, check_range

STRONG = Augmentation(turn=25, stretch=0.25, slant=0.3, move=0.12, light=0.4, cut=0.5, stroke=0.5, jitter=0.5)
"""What the classifier must see through. Labelled images are changed 0.7 times as strongly."""
WEAK = Augmentation(turn=8, stretch=0.08, slant=0.1, move=0.04, jitter=0.1)
"""In which the teacher looks at images, and answers are sought."""
FEATURES = 128


@dataclass(frozen=True, kw_only=True)
class Consistent(SemiSupervisedRecipe):
    """Sure labels of an averaged teacher, strong changes, and a generator of what is no class."""

    name: ClassVar[str] = "consistent"
    paper: ClassVar[str] = "Sohn et al. 2020, arXiv:2001.07685, and Salimans et al. 2016"
    changes: ClassVar[Augmentation | None] = STRONG.times(0.5)
    views: ClassVar[Augmentation | None] = WEAK

    width: int | None = None
    """The classifier's channels after its first halving, twice as many up to the second. None: by the size of the images."""
    latent_dim: int = 64
    """Numbers of noise the generator takes."""
    batch_size: int = 72
    """Unlabelled images a round; half as many are generated."""
    labelled: int = 24
    """Labelled images a round, each class as likely."""
    lr: float = 2e-3
    """AdamW's learning rate at the start; it falls to a fiftieth, by a cosine."""
    decay: float = 0.005
    """AdamW's weight decay."""
    average: float = 0.02
    """Half-life of the averages, the teacher among them, as a share of the run."""
    generated: float = 1.0
    """What the classifier pays for taking generated images for real ones; 0: no generator plays."""
    consistency: float = 1.0
    """What it pays for answering otherwise than its teacher, where that is sure; 0: nobody is asked."""
    sure: float = 0.95
    """Probability from which the teacher counts as sure."""
    even: bool = True
    """Bring the teacher's answers to equal shares of the classes: for data in which these are about as frequent."""
    strength: float = 1.0
    """How strong all changes are in training; 0: none. Calibration and answers know theirs, whatever this is."""
    strokes: bool = True
    """A line drawn in is among the strong changes: classes differ by more than one stroke of a pen."""
    mirror: bool = False
    """Flip every other image, where left and right mean the same."""

    def __post_init__(self) -> None:
        check_positive(self, "width", "latent_dim", "batch_size", "labelled", "lr", "average")
        check_range(self, 0, 1, "decay")
        check_range(self, 0, float("inf"), "generated", "consistency", "strength")
        check_range(self, 0, 1, "sure")

    @property
    def balances(self) -> bool:
        """True where the teacher's answers are brought to equal fractions of the classes."""
        return self.even

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """The width by the size of the images."""
        side = (spec.height * spec.width) ** 0.5
        return dataclasses.replace(self, width=self.width or (24 if side <= 32 else 16))

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Pyramids of convolutions with layer normalisation per pixel: no answer depends on the batch."""
        assert self.width
        return {
            "generator": Generator(spec.shape, self.latent_dim, self.width, 8 * self.width),
            "classifier": CNNClassifier(spec.shape, self.width, 16 * self.width, FEATURES, len(spec.classes)),
        }

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Layer normalisation needs no start on data."""

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """The game, AdamW for the classifier and Adam for the generator."""
        average = average_of_both(nets, total, self.average)
        strong = STRONG.times(self.strength)
        if not self.strokes:
            strong = dataclasses.replace(strong, stroke=0.0)
        terms: dict[str, ClassifierTerm] = {}
        if self.consistency:
            device = next(nets["classifier"].parameters()).device
            terms["consistency"] = Consistency(
                teacher_of(average), len(spec.classes), Augmentation(move=0.04), strong,
                weight=self.consistency, confidence=self.sure, balance_classes=self.even,
                confident_only=device.type == "cpu" and isinstance(nets["classifier"], CNNClassifier),
            ).to(device)  # fmt: skip
        game = SemiSupervisedGAN(
            nets["generator"],
            nets["classifier"],
            latent_dim=self.latent_dim,
            generated_weight=self.generated,
            game_fraction=0.5,
            augment=strong.times(0.7),
            terms=terms,
        )
        optimizers: dict[str, Optimizer] = {
            "classifier": AdamW(
                nets["classifier"].parameters(), self.lr, (0.9, 0.99), weight_decay=self.decay, fused=True
            )
        }
        lr = {"classifier": {"lr": cosine(self.lr, self.lr / 50)}}
        if self.generated:
            optimizers["generator"] = Adam(nets["generator"].parameters(), 1e-3, (0.5, 0.99), fused=True)
        return System(game, optimizers, average, lr, graph_capturable=True)

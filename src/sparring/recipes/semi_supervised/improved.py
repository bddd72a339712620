"""Improved GAN: few labels by feature matching (Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen 2016, section 5).

As published: K logits with that of "generated" at 0, feature matching, weight normalisation with a start on data, Gaussian
noise between the layers, averaged weights for the answers. Grey images are played by fully connected networks, others by
the convolutional ones. `--entropy`, `--pull-away` and `--low-density` add the terms of Bad GAN (Dai et al. 2017).

Where we differ: the average is corrected for its start, by a half-life that ramps up (theirs, of 10,000 rounds from 0, is
of no use before 20,000); the low density is measured in features, not by a PixelCNN trained beforehand; transposed
convolutions are of 4 x 4, and all others padded, so that any size can be made and seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from sparring.data.classifier_augment import Augmentation
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.loop import System
from sparring.engine.schedules import constant
from sparring.games.semi_supervised import (
    SemiSupervisedGAN,
    absolute_feature_matching,
    conditional_entropy,
    feature_matching,
    low_density,
    pull_away,
)
from sparring.nets.improved_gan import ConvClassifier, ConvGenerator, MLPClassifier, MLPGenerator
from sparring.nets.weight_norm import data_dependent_init
from sparring.recipes.classifier_recipe import SemiSupervisedRecipe, average_of_both
from sparring.recipes.recipe import adams, check_positive, check_range, check_share

NETS = ("mlp", "conv")
HIDDEN = (1000, 500, 250, 250, 250)
"""Rectifiers in the fully connected classifier's layers."""
EPS = 1e-4
"""Adam's. The paper's code adds 1e-8 below the root: what that comes to where gradients are small."""


@dataclass(frozen=True, kw_only=True)
class Improved(SemiSupervisedRecipe):
    """Feature matching with K + 1 classes, as published."""

    name: ClassVar[str] = "improved"
    paper: ClassVar[str] = "Salimans et al. 2016, arXiv:1606.03498"
    changes: ClassVar[Augmentation | None] = Augmentation(turn=10, stretch=0.1, move=0.08, jitter=0.2)
    views: ClassVar[Augmentation | None] = None
    balances: ClassVar[bool] = False

    kind: str | None = None
    """Networks: mlp or conv. None: mlp for grey images of up to 32 x 32 and for tables, conv for others."""
    latent_dim: int = 100
    """Numbers of noise the generator takes."""
    batch_size: int = 100
    """Unlabelled images a round, and generated ones."""
    labelled: int = 100
    """Labelled images a round."""
    lr: float | None = None
    """Adam's learning rate, for both. None: 0.003 for mlp, 0.0003 for conv."""
    beta1: float = 0.5
    """Adam's first-moment decay."""
    decay: float | None = None
    """Share of the run after which the learning rate falls to 0 on a line. None: never for mlp, two thirds for conv."""
    average: float = 0.03
    """Half-life of the averages, as a share of the run."""
    entropy: float = 0.0
    """What the classifier pays for unlabelled images that it is not sure of (Bad GAN: 0.1 to 1)."""
    pull_away: float = 0.0
    """What the generator pays for samples that are alike (Bad GAN)."""
    low_density: float = 0.0
    """What the generator pays for samples that lie where real images do (Bad GAN)."""
    mirror: bool = False
    """Flip every other image, where left and right mean the same."""

    def __post_init__(self) -> None:
        check_positive(self, "latent_dim", "batch_size", "labelled", "lr", "average")
        check_range(self, 0, 1, "beta1")
        check_share(self, "decay")
        check_range(self, 0, float("inf"), "entropy", "pull_away", "low_density")
        if self.batch_size < 2:
            raise UsageError("--batch-size must be 2 or more: the generator's batch normalisation needs a spread")
        if self.kind not in (None, *NETS):
            raise UsageError(f"unknown --kind '{self.kind}': {did_you_mean(str(self.kind), NETS)}")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Networks by the kind of images, and what goes with them."""
        small = max(spec.height, spec.width) <= (32 if spec.channels == 1 else 1)
        kind = self.kind or ("mlp" if small else "conv")
        return dataclasses.replace(
            self,
            kind=kind,
            lr=self.lr if self.lr is not None else 3e-3 if kind == "mlp" else 3e-4,
            decay=self.decay if self.decay is not None else 1.0 if kind == "mlp" else 2 / 3,
        )

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Those of the paper's code for MNIST, or for CIFAR-10."""
        classes = len(spec.classes)
        if self.kind == "mlp":
            return {
                "generator": MLPGenerator(spec.shape, self.latent_dim),
                "classifier": MLPClassifier(spec.shape, classes, HIDDEN),
            }
        return {
            "generator": ConvGenerator(spec.shape, self.latent_dim),
            "classifier": ConvClassifier(spec.shape, classes),
        }

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Lengths and biases of all normalised layers, by what passes them."""
        z = torch.randn(len(x), self.latent_dim, generator=torch.Generator().manual_seed(0))
        data_dependent_init(nets["generator"], z.to(x.device))
        data_dependent_init(nets["classifier"].train(), x)  # with its noise, as it will learn

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """The losses of section 5, by Adam at a constant rate."""
        assert self.lr is not None and self.decay is not None
        lr, until = self.lr, self.decay
        extra = {"pull_away": (self.pull_away, lambda fake, real: pull_away(fake)),
                 "low_density": (self.low_density, low_density)}  # fmt: skip
        game = SemiSupervisedGAN(
            nets["generator"],
            nets["classifier"],
            latent_dim=self.latent_dim,
            feature_loss=feature_matching if self.kind == "mlp" else absolute_feature_matching,
            terms={"entropy": conditional_entropy(self.entropy)} if self.entropy else {},
            generator_terms={name: (weight, term) for name, (weight, term) in extra.items() if weight},
        )
        falling = constant(lr) if until >= 1 else lambda at: lr * min((1 - at) / (1 - until), 1.0)
        optimizers = adams({name: nets[name] for name in game.turns}, lr, self.beta1, 0.999, EPS)
        average = average_of_both(nets, total, self.average)
        return System(
            game, optimizers, average, {player: {"lr": falling} for player in optimizers}, graph_capturable=True
        )

"""Improved GAN: few labels by feature matching (Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen 2016, section 5).

As published: K logits with that of "generated" at 0, feature matching, weight normalisation with data-dependent
initialisation, Gaussian noise between the layers, averaged weights for predictions. Small grey images use MLPs, others
CNNs. `--entropy-weight`, `--pull-away-weight` and `--low-density-weight` add the terms of Bad GAN (Dai et al. 2017).

Differences to the paper: the EMA's half-life ramps up (with 10,000 rounds from 0, as published, it is useless before
20,000 rounds); low density is measured in features instead of by a pre-trained PixelCNN; transposed convolutions are 4
x 4 and all others padded, for any image size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from sparring.data.augment.classifier import Augmentation
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
from sparring.recipes.classifier_recipe import Change, SemiSupervisedRecipe, joint_ema
from sparring.recipes.recipe import adams, check_fraction, check_positive, check_range

NETS = ("mlp", "conv")
"""Names of the network families."""
HIDDEN = (1000, 500, 250, 250, 250)
"""Units in the hidden layers of the MLP classifier."""
ADAM_EPS = 1e-4
"""Adam's eps. The paper's code adds 1e-8 below the root, which equals this for small gradients."""


@dataclass(frozen=True, kw_only=True)
class Improved(SemiSupervisedRecipe):
    """Improved GAN: feature matching with K + 1 classes, as published."""

    name: ClassVar[str] = "improved"
    paper: ClassVar[str] = "Salimans et al. 2016, arXiv:1606.03498"
    augmentation: ClassVar[Change | None] = Augmentation(turn=10, stretch=0.1, move=0.08, jitter=0.2)
    tta: ClassVar[Change | None] = None
    balance_classes: ClassVar[bool] = False

    net: str | None = None
    """Networks: mlp or conv. None: mlp for grey images of up to 32 x 32 and for tables, else conv."""
    latent_dim: int = 100
    """Dimension of the generator's noise."""
    batch_size: int = 100
    """Unlabelled images per round, and as many generated ones."""
    labelled_batch_size: int = 100
    """Labelled images per round."""
    lr: float | None = None
    """Adam's learning rate of both players. None: 0.003 for mlp, 0.0003 for conv."""
    beta1: float = 0.5
    """Adam's beta1, the decay of the first moment."""
    lr_decay_start: float | None = None
    """Fraction of the run after which the learning rate falls linearly to 0. None: 1 for mlp, 2/3 for conv."""
    ema_half_life: float = 0.03
    """Half-life of the EMA, as a fraction of the run."""
    entropy_weight: float = 0.0
    """Weight of the class entropy of unlabelled images, for the classifier (Bad GAN: 0.1 to 1)."""
    pull_away_weight: float = 0.0
    """Weight of the pull-away term, which makes samples diverse, for the generator (Bad GAN)."""
    low_density_weight: float = 0.0
    """Weight of the low-density term, which moves samples away from real images, for the generator (Bad GAN)."""
    mirror: bool = False
    """Random horizontal flips, for images without a left-right orientation."""

    def __post_init__(self) -> None:
        check_positive(self, "latent_dim", "batch_size", "labelled_batch_size", "lr", "ema_half_life")
        check_range(self, 0, 1, "beta1")
        check_fraction(self, "lr_decay_start")
        check_range(self, 0, float("inf"), "entropy_weight", "pull_away_weight", "low_density_weight")
        if self.batch_size < 2:
            raise UsageError("--batch-size must be 2 or more, for the generator's batch normalisation")
        if self.net not in (None, *NETS):
            raise UsageError(f"unknown --net '{self.net}': {did_you_mean(str(self.net), NETS)}")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Choose the networks by channels and size, and the learning rate by the networks."""
        small = max(spec.height, spec.width) <= (32 if spec.channels == 1 else 1)
        net = self.net or ("mlp" if small else "conv")
        return dataclasses.replace(
            self,
            net=net,
            lr=self.lr if self.lr is not None else 3e-3 if net == "mlp" else 3e-4,
            lr_decay_start=self.lr_decay_start if self.lr_decay_start is not None else 1.0 if net == "mlp" else 2 / 3,
        )

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the networks of the paper's code for MNIST (mlp) or CIFAR-10 (conv)."""
        classes = len(spec.classes)
        if self.net == "mlp":
            return {
                "generator": MLPGenerator(spec.shape, self.latent_dim),
                "classifier": MLPClassifier(spec.shape, classes, HIDDEN),
            }
        return {
            "generator": ConvGenerator(spec.shape, self.latent_dim),
            "classifier": ConvClassifier(spec.shape, classes),
        }

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Run the data-dependent initialisation of all weight-normalised layers on images `x`."""
        z = torch.randn(len(x), self.latent_dim, generator=torch.Generator().manual_seed(0))
        data_dependent_init(nets["generator"], z.to(x.device))
        data_dependent_init(nets["classifier"].train(), x)  # with noise, as in training

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of section 5 with Adam."""
        assert self.lr is not None and self.lr_decay_start is not None
        lr, decay_start = self.lr, self.lr_decay_start
        generator_terms = {"pull_away": (self.pull_away_weight, lambda fake, real: pull_away(fake)),
                           "low_density": (self.low_density_weight, low_density)}  # fmt: skip
        game = SemiSupervisedGAN(
            nets["generator"],
            nets["classifier"],
            latent_dim=self.latent_dim,
            feature_loss=feature_matching if self.net == "mlp" else absolute_feature_matching,
            terms={"entropy": conditional_entropy(self.entropy_weight)} if self.entropy_weight else {},
            generator_terms={name: (weight, term) for name, (weight, term) in generator_terms.items() if weight},
        )
        schedule = constant(lr) if decay_start >= 1 else lambda at: lr * min((1 - at) / (1 - decay_start), 1.0)
        optimizers = adams({name: nets[name] for name in game.turns}, lr, self.beta1, 0.999, ADAM_EPS)
        ema = joint_ema(nets, total, self.ema_half_life)
        return System(game, optimizers, ema, {player: {"lr": schedule} for player in optimizers}, graph_capturable=True)

"""A fully convolutional network that classifies series.

It is that of Wang, Yan and Oates 2017, "Time series classification from scratch". We differ in the schedule:
the learning rate falls by a cosine, and the EMA of the weights is saved. Noise is added in training, since small sets
of series are memorised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.optim import Adam

from sparring.engine.data_spec import SeriesSpec
from sparring.engine.game import Batch, Stats
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.single_player import classification_loss
from sparring.nets.series_cnn import SeriesCNN
from sparring.recipes.classifier_recipe import Change
from sparring.recipes.recipe import check_positive, check_range, tunable
from sparring.recipes.supervised.base import SupervisedRecipe

NOISE = 0.1
"""Default of the recipe; calibration takes copies with this noise."""


def changed(x: Tensor, batch: Batch) -> Tensor:
    """Return series `[B, C, T]` with added noise, for calibration."""
    return x + NOISE * batch.normal(*x.shape[1:])


@dataclass(frozen=True, kw_only=True)
class SeriesClassifier(SupervisedRecipe):
    """A fully convolutional network for series."""

    name: ClassVar[str] = "series_cnn"
    paper: ClassVar[str] = "Wang et al. 2017, arXiv:1611.06455"
    kinds: ClassVar[tuple[str, ...]] = ("series",)
    augmentation: ClassVar[Change | None] = staticmethod(changed)

    width: int = 128
    """Channels of the first and the last convolution; the middle one has twice as many."""
    batch_size: int = 64
    """Series a round."""
    lr: float = tunable(1e-3, 1e-4, 0.1, log=True)
    """Adam's learning rate at the start; it falls to a hundredth by a cosine."""
    noise: float = NOISE
    """Standard deviation of the added noise, in standard deviations of the channel."""

    def __post_init__(self) -> None:
        check_positive(self, "width", "batch_size", "lr", "ema_half_life")
        check_range(self, 0, float("inf"), "noise")

    def nets(self, spec: SeriesSpec) -> dict[str, nn.Module]:
        """Return the network."""
        return {"classifier": SeriesCNN(spec.shape[0], len(spec.classes), self.width)}

    def system(self, spec: SeriesSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game: cross entropy of series with noise."""

        def loss(net: nn.Module, batch: Batch) -> tuple[Tensor, Stats]:
            return classification_loss(net(batch.x + self.noise * batch.normal(*batch.x.shape[1:])), batch.y)

        optimizer = Adam(nets["classifier"].parameters(), self.lr, fused=True)
        return self.supervised(nets, loss, optimizer, cosine(self.lr, self.lr / 100), total)

"""Predict numbers by their quantiles, the ends of an interval among them, which is then calibrated on other rows.

After Romano, Patterson and Candès 2019, "Conformalized quantile regression", section 5: one network for all quantiles.
Ours are sorted afterwards, and learnt in standard deviations of the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from sparring.engine.data_spec import ConditionStats, TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.quantiles import pinball_losses
from sparring.games.single_player import SinglePlayer
from sparring.nets.tabular_mlp import TabularClassifier
from sparring.recipes.classifier_recipe import joint_ema
from sparring.recipes.features.networks import classifier_for, width_for
from sparring.recipes.recipe import check_positive, check_range, tunable
from sparring.recipes.supervised.base import SupervisedRecipe

PLAYER = "regressor"


@dataclass(frozen=True, kw_only=True)
class QuantileRecipe(SupervisedRecipe):
    """What the recipes of numbers share: the player `regressor` maps inputs to three quantiles of each number."""

    paper: ClassVar[str] = "Romano, Patterson and Candès 2019, arXiv:1905.03222"

    coverage: float = 0.9
    """Fraction of the numbers that intervals should hold."""
    batch_size: int = 64
    """Examples a round."""
    lr: float = tunable(1e-3, 1e-4, 0.1, log=True)
    """AdamW's learning rate at the start; it falls to 0 by a cosine."""
    weight_decay: float = tunable(0.0, 0.0, 0.5)
    """AdamW's weight decay."""

    def __post_init__(self) -> None:
        check_positive(self, "batch_size", "lr", "ema_half_life")
        check_range(self, 0, 1, "weight_decay")
        if not 0 < self.coverage < 1:
            raise UsageError(f"--coverage must be above 0 and below 1, not {self.coverage:g}: 0.9, for example")

    @property
    def levels(self) -> tuple[float, float, float]:
        """Levels of the quantiles: lower end, median, upper end."""
        return (1 - self.coverage) / 2, 0.5, (1 + self.coverage) / 2

    def condition_stats(self, spec: Any) -> ConditionStats:
        """Return mean and standard deviation of each number."""
        stats: ConditionStats = spec.condition_stats
        return stats

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Standardise the columns of a table, as for classifiers."""
        super().prepare({"classifier": nets[PLAYER]}, x)

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game: the pinball loss of the standardised numbers."""
        mean, std = (torch.tensor(values) for values in zip(*spec.condition_stats, strict=True))
        levels = torch.tensor(self.levels)

        def loss(net: nn.Module, batch: Batch) -> Tensor:
            quantiles: Tensor = net(batch.x).float().unflatten(1, (-1, len(levels)))
            y = (batch.y - mean.to(batch.y)) / std.to(batch.y)
            return pinball_losses(quantiles, y, levels.to(y)).mean()

        net = nets[PLAYER]
        optimizer = AdamW(net.parameters(), self.lr, weight_decay=self.weight_decay, fused=True)
        ema = joint_ema({PLAYER: net}, total, self.ema_half_life)
        schedules = {PLAYER: {"lr": cosine(self.lr, 0.0)}}
        return System(SinglePlayer(net, loss, PLAYER), {PLAYER: optimizer}, ema, schedules)


@dataclass(frozen=True, kw_only=True)
class Quantiles(QuantileRecipe):
    """A convolutional network that predicts numbers of images, recordings or series."""

    name: ClassVar[str] = "quantiles"
    kinds: ClassVar[tuple[str, ...]] = ("image", "audio", "series")

    width: int | None = None
    """Channels of the first convolution; chosen by the kind of data."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "width")

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Return the recipe with the usual width for the kind of data."""
        return self if self.width is not None else replace(self, width=width_for(spec))

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the network of classifiers of this kind of data, with quantiles in place of logits."""
        outputs = tuple(map(str, range(3 * len(spec.condition_stats))))
        return {PLAYER: classifier_for(replace(spec, classes=outputs), self.width or width_for(spec))}


@dataclass(frozen=True, kw_only=True)
class TabularQuantiles(QuantileRecipe):
    """An MLP with two hidden layers that predicts numbers of the rows of a table."""

    name: ClassVar[str] = "tabular_quantiles"
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    prepared_on: ClassVar[int] = 20_000

    batch_size: int = 256
    """Rows a round."""
    hidden: int = tunable(128, 16, 512, log=True)
    """Units in each of the two hidden layers."""
    dropout: float = tunable(0.1, 0.0, 0.7)
    """Fraction of the hidden units that are dropped in training."""
    trees: bool = True
    """Grow boosted trees beside the network, and let the better one answer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "hidden")
        check_range(self, 0, 1, "dropout")

    def nets(self, spec: TableSpec) -> dict[str, nn.Module]:
        """Return the MLP."""
        outputs = 3 * len(spec.condition_stats)
        net = TabularClassifier(spec.shape[0], outputs, self.hidden, standardize=True, dropout=self.dropout)
        return {PLAYER: net}

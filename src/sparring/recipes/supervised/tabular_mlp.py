"""A small MLP that classifies the rows of a table; it standardises its input, so that rows keep their own units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.optim import AdamW

from sparring.engine.data_spec import TableSpec
from sparring.engine.game import Batch, Stats
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.single_player import classification_loss
from sparring.nets.tabular_mlp import TabularClassifier
from sparring.recipes.recipe import check_positive, check_range, tunable
from sparring.recipes.supervised.base import SupervisedRecipe


@dataclass(frozen=True, kw_only=True)
class TabularMLP(SupervisedRecipe):
    """An MLP with two hidden layers for the rows of a table."""

    name: ClassVar[str] = "tabular_mlp"
    paper: ClassVar[str] = "after Gorishniy et al. 2021, arXiv:2106.11959, section 3.2"
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    prepared_on: ClassVar[int] = 20_000

    hidden: int = tunable(128, 16, 512, log=True)
    """Units in each of the two hidden layers."""
    dropout: float = tunable(0.2, 0.0, 0.7)
    """Fraction of the hidden units that are dropped in training."""
    batch_size: int = 256
    """Rows a round."""
    lr: float = tunable(1e-3, 1e-4, 0.1, log=True)
    """AdamW's learning rate at the start; it falls to 0 by a cosine."""
    weight_decay: float = tunable(0.0, 0.0, 0.5)
    """AdamW's weight decay."""
    trees: bool = True
    """Grow boosted trees beside the network, and let the better one answer."""

    def __post_init__(self) -> None:
        check_positive(self, "hidden", "batch_size", "lr", "ema_half_life")
        check_range(self, 0, 1, "dropout", "weight_decay")

    def nets(self, spec: TableSpec) -> dict[str, nn.Module]:
        """Return the MLP."""
        (columns,) = spec.shape
        net = TabularClassifier(columns, len(spec.classes), self.hidden, standardize=True, dropout=self.dropout)
        return {"classifier": net}

    def system(self, spec: TableSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game: cross entropy."""

        def loss(net: nn.Module, batch: Batch) -> tuple[Tensor, Stats]:
            return classification_loss(net(batch.x), batch.y)

        optimizer = AdamW(nets["classifier"].parameters(), self.lr, weight_decay=self.weight_decay, fused=True)
        return self.supervised(nets, loss, optimizer, cosine(self.lr, 0.0), total)

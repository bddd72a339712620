"""A classifier from whose features the group is erased in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.games.erasure import ErasureGame
from sparring.nets.eraser import ErasedClassifier, Eraser
from sparring.recipes.features.adaptation_base import features_in
from sparring.recipes.features.fair_base import FairRecipe

SETTLED = 0.005
"""Half-life of the EMA as a fraction of the run: the encoder of the average is that which the moments are of."""


@dataclass(frozen=True, kw_only=True)
class LEACE(FairRecipe):
    """A classifier from whose features no linear function predicts the group; others may."""

    name: ClassVar[str] = "leace"
    paper: ClassVar[str] = "Belrose et al. 2023, arXiv:2306.03819"
    grid: ClassVar[tuple[float, ...]] = ()

    frozen: float = 0.6
    """Fraction of the run after which the encoder is frozen."""
    erased: float = 0.75
    """Fraction of the run after which the group is erased, and the last layer learns anew."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.frozen < self.erased < 1:
            raise UsageError(f"--frozen {self.frozen:g} and --erased {self.erased:g} must rise between 0 and 1")

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the classifier with an eraser."""
        net, notion = super().nets(spec)["classifier"], self.notion_for(spec)
        strata = len(list(notion.strata(torch.zeros(0, dtype=torch.int64))))
        return {"classifier": ErasedClassifier(net, Eraser(features_in(net), notion.groups, strata))}

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game."""
        net: Any = nets["classifier"]
        game = ErasureGame(net, self.notion_for(spec), self.change(spec), frozen=self.frozen, erased=self.erased)
        return self.build(nets, game, total, half_life=SETTLED)

"""The reductions approach: a randomised mixture of classifiers that are trained by costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import nn

from sparring.engine.device import Hardware
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.reductions import Multipliers, ReductionGame
from sparring.nets.mixture import Mixture
from sparring.recipes.features.fair_base import FairRecipe
from sparring.recipes.recipe import check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class Reductions(FairRecipe):
    """A mixture of classifiers by exponentiated gradient; its answers are fair only if one is drawn for each."""

    name: ClassVar[str] = "reductions"
    paper: ClassVar[str] = "Agarwal et al. 2018, arXiv:1803.02453"
    binary: ClassVar[bool] = True
    varies: ClassVar[str] = "slack"
    grid: ClassVar[tuple[float, ...]] = (0.0, 0.02, 0.05)

    slack: float | None = None
    """Largest gap. None: several are tried."""
    bound: float = 2.0
    """Largest sum of the multipliers."""
    rate: float = 1.0
    """Step of the multipliers."""
    periods: int = 40
    """Steps of the multipliers in a run."""
    members: int = 12
    """Classifiers of the mixture, one from each of the last periods."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "bound", "rate", "periods", "members")
        check_range(self, 0, 1, "slack")

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Choose the slack where none is given."""
        return replace(super().resolve(spec, hardware), slack=0.01 if self.slack is None else self.slack)

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the mixture and the multipliers."""
        classifier = super().nets(spec)["classifier"]
        notion = self.notion_for(spec)
        strata = len(list(notion.strata(torch.zeros(0, dtype=torch.int64))))
        multipliers = Multipliers(strata, notion.groups, self.bound, self.rate, self.slack or 0.0)
        mixture = Mixture(classifier, min(self.members, self.periods), notion.classes)
        return {"classifier": mixture, "multipliers": multipliers}

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game; the weights are not averaged, since each member is from a different period."""
        assert self.lr
        mixture: Any = nets["classifier"]
        multipliers: Any = nets["multipliers"]
        game = ReductionGame(mixture, multipliers, self.notion_for(spec), self.change(spec), self.periods)
        fall = cosine(self.lr, self.lr / 4)
        lr = {"classifier": {"lr": lambda at: fall(math.sqrt(at))}}
        return replace(self.build(nets, game, total, half_life=0.0), schedules=lr)

"""Classifiers with a penalty on the difference of groups, and the plain one that every method is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from torch import nn

from sparring.engine.device import Hardware
from sparring.engine.loop import System
from sparring.games.fair_games import PenaltyGame
from sparring.games.fairness import Penalty, gap_penalty, hsic
from sparring.recipes.features.fair_base import FairRecipe
from sparring.recipes.recipe import check_positive


@dataclass(frozen=True, kw_only=True)
class Plain(FairRecipe):
    """A classifier without fairness, the baseline of the other methods."""

    name: ClassVar[str] = "plain"
    paper: ClassVar[str] = "cross entropy alone; no arXiv version"

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game: cross entropy."""
        return self.build(nets, self.game(spec, nets, None), total)

    def game(self, spec: Any, nets: Mapping[str, nn.Module], penalty: Penalty | None, sharpness: float = 1.0) -> Any:
        """Return the game with a penalty."""
        return PenaltyGame(
            nets["classifier"], penalty, self.notion_for(spec), self.schedule, self.change(spec), sharpness=sharpness
        )


@dataclass(frozen=True, kw_only=True)
class GapPenalty(Plain):
    """A classifier with a penalty on the difference of mean answers (DiffDP, DiffEO)."""

    name: ClassVar[str] = "gap_penalty"
    paper: ClassVar[str] = "Chuang and Mroueh 2021, arXiv:2103.06503, without mixing"
    grid: ClassVar[tuple[float, ...]] = (0.3, 0.45, 0.7, 1.0, 1.4)

    sharpness: float | None = None
    """Factor of the logits whose answers are compared: 1 compares probabilities, as published, more is nearer to
    decisions. None: 1 for parity, 6 for odds and opportunity."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "sharpness")

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Choose the sharpness by the notion (docs/lab-notebook.md)."""
        sharpness = self.sharpness or (1.0 if self.notion == "parity" else 6.0)
        return replace(super().resolve(spec, hardware), sharpness=sharpness)

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game: cross entropy and the gap of sharpened answers."""
        assert self.sharpness
        return self.build(nets, self.game(spec, nets, gap_penalty, self.sharpness), total)


@dataclass(frozen=True, kw_only=True)
class HSIC(Plain):
    """A classifier with a penalty on the dependence of answers and groups."""

    name: ClassVar[str] = "hsic"
    paper: ClassVar[str] = "Pérez-Suay et al. 2017, arXiv:1710.05578"
    grid: ClassVar[tuple[float, ...]] = (10.0, 30.0, 100.0)

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game: cross entropy and the dependence."""
        return self.build(nets, self.game(spec, nets, hsic), total)

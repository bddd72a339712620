"""Thresholds for each group on the plain classifier: nothing is trained, but the group must be an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.nets.group_thresholds import GroupThresholds
from sparring.recipes.features.fair_base import FairRecipe

MADE_FROM_PLAIN = "thresholds are made from the plain classifier: leave --recipe out, and add --see-protected"


@dataclass(frozen=True, kw_only=True)
class Thresholds(FairRecipe):
    """The plain classifier with a threshold for each group, for tables whose protected column is an input."""

    name: ClassVar[str] = "thresholds"
    paper: ClassVar[str] = "Hardt et al. 2016, arXiv:1610.02413"
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    binary: ClassVar[bool] = True

    column: str = ""
    """Protected column; set by `sparring classify --protect COLUMN --see-protected`."""

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the classifier with thresholds that change nothing yet."""
        column = next(each for each in spec.columns if each.name == self.column)
        places = dict(zip(column.categories, column.indices, strict=True))
        return {"classifier": GroupThresholds(super().nets(spec)["classifier"], [places[g] for g in spec.groups])}

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Raise UsageError: thresholds are made from the plain classifier."""
        raise UsageError(MADE_FROM_PLAIN)

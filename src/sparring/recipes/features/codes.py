"""A classifier of a few codes: the gap of any decision from these can be certified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import nn

from sparring.engine.loop import System
from sparring.games.codes import CodesGame
from sparring.nets.coded_classifier import CodedClassifier
from sparring.recipes.features.fair_base import FairRecipe
from sparring.recipes.features.networks import classifier_for
from sparring.recipes.recipe import check_positive


@dataclass(frozen=True, kw_only=True)
class Codes(FairRecipe):
    """A classifier whose features are a few codes that reveal little about the group.

    The penalty is the distance of the groups' distributions of codes: no decision from the codes has a larger gap
    (after FARE, Jovanović et al. 2023, whose codes are leaves of a tree).
    """

    name: ClassVar[str] = "codes"
    paper: ClassVar[str] = "after Jovanović et al. 2023, arXiv:2210.07213"
    grid: ClassVar[tuple[float, ...]] = (0.3, 1.0)

    codes: int = 16
    """Number of codes."""
    sharpness: float = 3.0
    """Factor of the scores whose distance is penalised; the code is that of the highest score."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "codes", "sharpness")

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the classifier."""
        assert self.width
        encoder = classifier_for(replace(spec, classes=tuple(map(str, range(self.codes)))), self.width)
        return {"classifier": CodedClassifier(encoder, self.codes, len(spec.classes))}

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game."""
        net: Any = nets["classifier"]
        game = CodesGame(net, self.notion_for(spec), self.schedule, self.change(spec), sharpness=self.sharpness)
        return self.build(nets, game, total)

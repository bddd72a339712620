"""Classifiers trained against an adversary that predicts the group from their answers or features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from torch import nn

from sparring.engine.device import Hardware
from sparring.engine.loop import System
from sparring.games.fair_games import answer_entropy, group_distance, weighted_cross_entropy
from sparring.nets.group_adversary import AnswerAdversary, FeatureAdversary, GroupAdversary
from sparring.recipes.features.adaptation_base import features_in
from sparring.recipes.features.fair_base import AdversarialFairRecipe


@dataclass(frozen=True, kw_only=True)
class Zhang(AdversarialFairRecipe):
    """A classifier whose answers do not reveal the group, by projected gradients.

    Differences: Adam in place of rates 1/t, a weight that ramps to a constant in place of sqrt(t), several turns and
    restarts of the adversary. Its loss gives groups equal weight, and errors beyond chance gain nothing.
    """

    name: ClassVar[str] = "zhang"
    paper: ClassVar[str] = "Zhang et al. 2018, arXiv:1801.07593"
    grid: ClassVar[tuple[float, ...]] = (0.5, 1.0, 2.0, 5.0)

    project: bool = True
    """Removal of the part of the gradient that helps the adversary (Eq. 1)."""
    sharpness: float | None = None
    """Sharpness c with which each adversary begins; its input is softmax((1 + |c|) logits). None: 1 for parity, 5 for
    odds and opportunity."""

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Choose the sharpness by the notion (docs/lab-notebook.md)."""
        sharpness = self.sharpness if self.sharpness is not None else (1.0 if self.notion == "parity" else 5.0)
        return replace(super().resolve(spec, hardware), sharpness=sharpness)

    def adversary(self, spec: Any, classifier: nn.Module) -> GroupAdversary:
        """Return a logistic adversary on answers; for odds and opportunity the class is an input as well."""
        notion = self.notion_for(spec)
        assert self.sharpness is not None
        return AnswerAdversary(
            notion.classes, notion.groups, notion.classes if notion.uses_labels else 0, self.sharpness
        )

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game."""
        return self.play(
            spec, nets, total, inputs="logits", reward=weighted_cross_entropy, ceiling=math.log(len(spec.groups)),
            project=self.project,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FeatureFairRecipe(AdversarialFairRecipe):
    """A recipe whose adversary predicts the group from the features."""

    def adversary(self, spec: Any, classifier: nn.Module) -> GroupAdversary:
        """Return an MLP on features; for odds and opportunity the class is an input as well."""
        notion = self.notion_for(spec)
        return FeatureAdversary(features_in(classifier), notion.groups, notion.classes if notion.uses_labels else 0)


@dataclass(frozen=True, kw_only=True)
class LAFTR(FeatureFairRecipe):
    """A classifier whose features do not reveal the group, by a group-normalised distance (without reconstruction)."""

    name: ClassVar[str] = "laftr"
    paper: ClassVar[str] = "Madras et al. 2018, arXiv:1802.06309"
    grid: ClassVar[tuple[float, ...]] = (1.0, 3.0, 10.0)

    adversary_lr: float = 2e-3
    """Learning rate of the adversary."""

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game: the adversary minimises what the classifier maximises."""
        return self.play(
            spec, nets, total, inputs="features", reward=group_distance, adversary_loss=group_distance,
            ceiling=1 - 1 / len(spec.groups),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MaxEntropy(FeatureFairRecipe):
    """A classifier whose features leave the adversary uncertain.

    To raise the adversary's cross entropy instead rewards features that make it confidently wrong, which a fresh
    adversary can use.
    """

    name: ClassVar[str] = "max_entropy"
    paper: ClassVar[str] = "Roy and Boddeti 2019, arXiv:1904.05514"
    grid: ClassVar[tuple[float, ...]] = (1.0, 3.0, 10.0)

    adversary_lr: float = 2e-3
    """Learning rate of the adversary."""

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game: the adversary minimises its cross entropy, the classifier maximises its entropy."""
        return self.play(spec, nets, total, inputs="features", reward=answer_entropy)

"""Common parts of the recipes that treat groups alike: the fields, the classifier, its optimiser and average."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.game import Game, Schedule
from sparring.engine.loop import System
from sparring.engine.schedules import cosine, ramp
from sparring.games.fair_games import AdversarialGame, Reward, weighted_cross_entropy
from sparring.games.fairness import NOTIONS, Notion
from sparring.games.semi_supervised import AugmentFn
from sparring.nets.group_adversary import GroupAdversary
from sparring.recipes.classifier_recipe import PlainClassifierRecipe, joint_ema
from sparring.recipes.features.networks import augmentation_for, batch_and_rate_for, classifier_for, width_for
from sparring.recipes.recipe import check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class FairRecipe(PlainClassifierRecipe):
    """Common fields and classifier of all methods, so that a comparison is one of the methods alone."""

    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    kinds: ClassVar[tuple[str, ...]] = ("image", "audio", "table", "series")
    labelled_batch_size: ClassVar[int] = 0
    prepared_on: ClassVar[int] = 20_000
    grid: ClassVar[tuple[float, ...]] = ()
    """Values of the field `varies` that `sparring classify --protect` tries; none: the method has none."""
    varies: ClassVar[str] = "weight"
    binary: ClassVar[bool] = False
    """True where the method is for two classes alone."""

    notion: str = "parity"
    """What is to be equal between groups: parity (answers), odds (answers in each class) or opportunity (correct
    answers of the positive class)."""
    positive: str | None = None
    """Class whose answers are the favourable ones, for opportunity. None: the last of two classes; each of several."""
    weight: float | None = None
    """Weight of fairness against accuracy, after its rise. None: several are tried."""
    warm_up: float = 0.1
    """Fraction of the run before the weight rises."""
    rise: float = 0.2
    """Fraction of the run over which the weight rises: a large weight early ends in a constant answer."""
    width: int | None = None
    """Channels of the first convolution, or units of a hidden layer. None: by the kind of data."""
    batch_size: int | None = None
    """Examples a round: each needs rows of each group and class. None: 512 rows of a table, 128 of other data."""
    lr: float | None = None
    """Learning rate of the classifier at the start; it falls to a hundredth by a cosine. None: 2e-3 for tables, 1e-3
    for other data."""
    ema_half_life: float = 0.03
    """Half-life of the EMA of the weights, as a fraction of the run."""

    def __post_init__(self) -> None:
        if self.notion not in NOTIONS:
            raise UsageError(f"unknown --notion '{self.notion}': {did_you_mean(self.notion, NOTIONS)}")
        check_positive(self, "width", "batch_size", "lr", "rise", "ema_half_life")
        check_range(self, 0, math.inf, "weight")
        check_range(self, 0, 1, "warm_up")

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Choose the positive class; raise UsageError where there are no groups, or no such class."""
        if spec.groups is None:
            raise UsageError(f"{self.name} compares groups: name the column of the groups (--protect COLUMN)")
        if self.positive is not None and self.positive not in spec.classes:
            raise UsageError(f"--positive {self.positive}: {did_you_mean(self.positive, spec.classes)}")
        if self.binary and len(spec.classes) != 2:
            raise UsageError(f"{self.name} is for two classes, and there are {len(spec.classes)}: take another recipe")
        last = spec.classes[-1] if len(spec.classes) == 2 else None
        weight = 1.0 if self.weight is None else self.weight
        batch_size, lr = batch_and_rate_for(spec)
        return replace(
            self, positive=self.positive or last, weight=weight, width=self.width or width_for(spec),
            batch_size=self.batch_size or batch_size, lr=self.lr or lr,
        )  # fmt: skip

    def notion_for(self, spec: Any) -> Notion:
        """Return the notion for the groups and classes of these data."""
        positive = None if self.positive is None else spec.classes.index(self.positive)
        return Notion(self.notion, len(spec.groups), len(spec.classes), positive)

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the classifier."""
        assert self.width
        return {"classifier": classifier_for(spec, self.width)}

    def change(self, spec: Any) -> AugmentFn:
        """Return the random changes of training examples."""
        return augmentation_for(spec, 1.0, "mild")

    @property
    def schedule(self) -> Schedule:
        """The weight over the run: 0 for the warm-up, then a linear rise."""
        rising = ramp(self.warm_up, self.rise)
        weight = 1.0 if self.weight is None else self.weight
        return lambda at: weight * rising(at)

    def build(
        self, nets: Mapping[str, nn.Module], game: Game, total: int, *, half_life: float | None = None,
        **others: Optimizer,
    ) -> System:  # fmt: skip
        """Return the system of a game; `others` are the optimisers of players beside the classifier."""
        assert self.lr
        net = nets["classifier"]
        ema = joint_ema({"classifier": net}, total, self.ema_half_life if half_life is None else half_life)
        optimizers = {"classifier": AdamW(net.parameters(), self.lr, weight_decay=0.0, fused=True), **others}
        return System(game, optimizers, ema, {"classifier": {"lr": cosine(self.lr, self.lr / 100)}})

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the system; each recipe defines it."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class AdversarialFairRecipe(FairRecipe):
    """A recipe whose classifier plays against an adversary that reads the group."""

    adversary_steps: int = 3
    """Turns of the adversary a round."""
    adversary_lr: float = 6e-3
    """Learning rate of the adversary."""
    generations: int = 10
    """Fresh adversaries in a run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "adversary_steps", "adversary_lr", "generations")

    def adversary(self, spec: Any, classifier: nn.Module) -> GroupAdversary:
        """Return a fresh adversary; each recipe defines it."""
        raise NotImplementedError

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the classifier and the adversary."""
        nets = super().nets(spec)
        return {**nets, "adversary": self.adversary(spec, nets["classifier"])}

    def play(
        self, spec: Any, nets: Mapping[str, nn.Module], total: int, *, inputs: Any, reward: Reward,
        adversary_loss: Reward = weighted_cross_entropy, ceiling: float = math.inf, project: bool = False,
    ) -> System:  # fmt: skip
        """Return the system of the classifier against the adversary (`games.fair_games.AdversarialGame`)."""
        adversary: Any = nets["adversary"]
        optimizer = Adam(adversary.parameters(), self.adversary_lr, (0.9, 0.99), fused=True)
        game = AdversarialGame(
            nets["classifier"], adversary, self.notion_for(spec), self.schedule, inputs=inputs, reward=reward,
            adversary_loss=adversary_loss, ceiling=ceiling, project=project, steps=self.adversary_steps,
            generations=self.generations, on_fresh=lambda: optimizer.state.clear(),
            change=self.change(spec),
        )  # fmt: skip
        return self.build(nets, game, total, adversary=optimizer)

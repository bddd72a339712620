"""Common parts of the recipes that adapt a classifier to an unlabelled domain (`classify --adapt-to TARGET`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import nn
from torch.optim import AdamW

from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.errors import UsageError
from sparring.engine.game import Game
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.domain_adaptation import AdaptationTerm, DomainAdaptation
from sparring.recipes.classifier_recipe import PlainClassifierRecipe, joint_ema
from sparring.recipes.features.networks import augmentation_for, classifier_for, width_for
from sparring.recipes.recipe import check_positive, check_range

ADAPTED_KINDS = ("image", "audio", "series", "table")


@dataclass(frozen=True, kw_only=True)
class AdaptationRecipe(PlainClassifierRecipe):
    """A recipe whose batches hold target examples, and labelled source ones beside them.

    The columns of a table are standardised by rows of the target, to whose moments the source's are mapped.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ADAPTED_KINDS
    prepared_on: ClassVar[int] = 2000
    level: ClassVar[str] = "mild"
    """Level of augmentation (`networks.augmentation_for`)."""
    uses_target: ClassVar[bool] = True
    """False where training uses the source alone."""

    width: int | None = None
    """Channels of the first convolution, or units of a hidden layer. None: by the kind of data."""
    batch_size: int = 64
    """Target examples a round; as many source examples beside them."""
    lr: float = 2e-3
    """AdamW's initial learning rate, which a cosine reduces to a fiftieth."""
    weight_decay: float = 0.005
    """AdamW's weight decay."""
    ema_half_life: float = 0.02
    """Half-life of the EMA of the weights, as a fraction of the run."""
    augment_strength: float = 1.0
    """Strength of the augmentation in training; 0 disables it."""
    class_shares: tuple[float, ...] = ()
    """Class shares of the target, by which source examples are drawn. None given: estimated from the
    errors of the best candidate so far."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_shares", tuple(self.class_shares))
        check_positive(self, "width", "batch_size", "lr", "ema_half_life")
        check_range(self, 0, 1, "weight_decay")
        shares = self.class_shares
        if shares and (min(shares) < 0 or max(shares) > 1 or not sum(shares) > 0):
            raise UsageError(
                "--class-shares must be from 0 to 1, and not all of them 0: give proportions, or leave it out"
            )
        check_range(self, 0, float("inf"), "augment_strength")

    @property
    def labelled_batch_size(self) -> int:
        """Source examples a round besides the target ones; 0: batches are of source examples alone."""
        return self.batch_size if self.uses_target else 0

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Choose the width by the kind of data; raise UsageError on another number of class shares."""
        if self.class_shares and len(self.class_shares) != len(spec.classes):
            raise UsageError(
                f"--class-shares has {len(self.class_shares)} numbers, the data have {len(spec.classes)} classes: give "
                "one for each, or leave it out"
            )
        return dataclasses.replace(self, width=self.width or width_for(spec))

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the classifier, and the networks of `more_nets`."""
        assert self.width
        classifier = classifier_for(spec, self.width)
        return {"classifier": classifier, **self.more_nets(spec, classifier)}

    def more_nets(self, spec: Any, classifier: nn.Module) -> dict[str, nn.Module]:
        """Return further players."""
        return {}

    def terms(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> dict[str, AdaptationTerm]:
        """Return the losses beside the cross entropy on the source."""
        return {}

    def game(self, spec: Any, nets: Mapping[str, nn.Module], ema: EMA) -> Game:
        """Return the game of the classifier."""
        augment = augmentation_for(spec, self.augment_strength, self.level)
        return DomainAdaptation(nets["classifier"], self.terms(spec, nets, ema), augment)

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game with AdamW for each player that takes turns."""
        ema = joint_ema({"classifier": nets["classifier"]}, total, self.ema_half_life)
        game = self.game(spec, nets, ema)
        device = next(nets["classifier"].parameters()).device
        for player in game.players.values():
            player.to(device)
        optimizers = {
            name: AdamW(game.players[name].parameters(), self.lr, (0.9, 0.99), weight_decay=self.weight_decay)
            for name in dict.fromkeys(game.turns)
        }
        lr = {name: {"lr": cosine(self.lr, self.lr / 50)} for name in optimizers}
        return System(game, optimizers, ema, lr)


def features_in(classifier: nn.Module) -> int:
    """Return the number of features, the input of the last linear layer."""
    return [layer for layer in classifier.modules() if isinstance(layer, nn.Linear)][-1].in_features

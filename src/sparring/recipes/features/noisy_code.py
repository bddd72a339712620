"""Replace examples by others that do not reveal a group: a noisy code, and a game against an adversary.

After Raval et al. 2017, "Protecting visual secrets using adversarial nets". Ours adds noise to a bounded code, and
brings the adversary's answers near to equal probabilities (`games.obfuscation`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from torch import Tensor, nn
from torch.optim import Adam

from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.engine.schedules import cosine, ramp
from sparring.games.fairness import Notion
from sparring.games.obfuscation import Obfuscation
from sparring.nets.group_adversary import FeatureAdversary, GroupAdversary
from sparring.nets.obfuscator import Obfuscator
from sparring.nets.tabular_mlp import Standardize
from sparring.nets.view import view_of
from sparring.recipes.classifier_recipe import PlainClassifierRecipe, joint_ema
from sparring.recipes.features.obfuscators import obfuscator_for, obfuscator_width, reader_for
from sparring.recipes.recipe import check_positive, check_range

PLAYER = "obfuscator"


@dataclass(frozen=True, kw_only=True)
class NoisyCode(PlainClassifierRecipe):
    """An obfuscator with a noisy code, trained against an adversary that predicts the group from the code."""

    name: ClassVar[str] = "noisy_code"
    paper: ClassVar[str] = "after Raval et al. 2017 and Tzeng et al. 2015, arXiv:1510.02192"
    kinds: ClassVar[tuple[str, ...]] = ("image", "audio", "table")
    labelled_batch_size: ClassVar[int] = 0
    prepared_on: ClassVar[int] = 2000

    weight: float = 1.0
    """Weight of the adversary's uncertainty beside the cross entropy of the classes, after its rise."""
    closeness: float = 0.1
    """Weight of the distance to the original example."""
    code_size: int = 32
    """Count of numbers in the code, which has a mean square of at most 1."""
    noise: float = 1.0
    """Standard deviation of the noise on the code."""
    adversary_steps: int = 3
    """Turns of the adversary a round."""
    generations: int = 10
    """Fresh adversaries in a run."""
    warm_up: float = 0.1
    """Fraction of the run before the weight rises."""
    rise: float = 0.4
    """Fraction of the run over which the weight rises."""
    width: int | None = None
    """Channels of the first convolution, or units of a hidden layer. None: by the kind of data."""
    batch_size: int = 64
    """Examples a round."""
    lr: float = 1e-3
    """Learning rate of the obfuscator and the classifier at the start; it falls to a hundredth by a cosine."""
    adversary_lr: float = 2e-3
    """Learning rate of the adversary."""
    ema_half_life: float = 0.02
    """Half-life of the EMA of the weights, as a fraction of the run."""

    def __post_init__(self) -> None:
        check_positive(
            self, "code_size", "noise", "adversary_steps", "generations", "rise", "width", "lr",
            "adversary_lr", "ema_half_life",
        )  # fmt: skip
        check_range(self, 0, math.inf, "weight", "closeness")
        check_range(self, 0, 1, "warm_up")
        check_range(self, 2, math.inf, "batch_size")

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Raise UsageError where there are no groups, or no obfuscator for the kind of data."""
        if spec.groups is None:
            raise UsageError("an obfuscator hides a group: name the column of the groups (--protect COLUMN)")
        return replace(self, width=self.width or obfuscator_width(view_of(spec)))

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the obfuscator, the adversary and, of data with classes, the classifier."""
        assert self.width
        view = view_of(spec)
        nets: dict[str, nn.Module] = {
            PLAYER: obfuscator_for(spec, self.width, self.code_size, self.noise),
            "adversary": FeatureAdversary(self.code_size, len(spec.groups), 0),
        }
        if len(spec.classes) > 1:
            nets["classifier"] = reader_for(view, len(spec.classes), self.width)
        return nets

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Take the scales of examples `x`, and of the columns of a table."""
        obfuscator: Any = nets[PLAYER]
        obfuscator.fit(x)
        for net in nets.values():
            for layer in net.modules():
                if isinstance(layer, Standardize):
                    layer.fit(x)

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game with Adam for each player."""
        rates = {name: self.adversary_lr if name == "adversary" else self.lr for name in nets}
        optimizers = {
            name: Adam(nets[name].parameters(), rate, (0.9, 0.99), fused=True) for name, rate in rates.items()
        }
        rising = ramp(self.warm_up, self.rise)
        adversary, obfuscator = nets["adversary"], nets[PLAYER]
        assert isinstance(adversary, GroupAdversary) and isinstance(obfuscator, Obfuscator)
        notion = Notion("parity", len(spec.groups), max(len(spec.classes), 1))
        game = Obfuscation(
            obfuscator, adversary, nets.get("classifier"), notion,
            lambda at: self.weight * rising(at), closeness=self.closeness, steps=self.adversary_steps,
            generations=self.generations, on_fresh=lambda: optimizers["adversary"].state.clear(),
        )  # fmt: skip
        falling = {name: {"lr": cosine(self.lr, self.lr / 100)} for name in nets if name != "adversary"}
        return System(game, optimizers, joint_ema({PLAYER: obfuscator}, total, self.ema_half_life), falling)

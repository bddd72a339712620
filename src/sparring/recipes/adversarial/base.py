"""What the ways of adversarial training share: the threat, the networks, the guard, and how they are put together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.attacks.threat_for import default_eps
from sparring.attacks.threat_model import Threat
from sparring.data.classifier_augment import Augmentation
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.game import Schedule
from sparring.engine.loop import System
from sparring.games.adversarial_training import (
    AdversarialLoss,
    AdversarialTraining,
    Ascent,
    InnerAttack,
    adversarial_ce,
)
from sparring.games.overfitting_guard import OverfittingGuard
from sparring.nets.robustness_cnns import NETS
from sparring.recipes.recipe import check_positive, check_range

THREATS = ("Linf", "L2")


def threat_of(norm: str, eps: float) -> Threat:
    """The threat model of images in [-1, 1] for an `eps` in units of pixels from 0 to 1. Here alone the units change."""
    return Threat("L2" if norm == "L2" else "Linf", 2 * eps, low=-1.0, high=1.0)


def widest(norm: str, spec: ImageSpec) -> float:
    """How far apart two such images of pixels from 0 to 1 can be."""
    return 1.0 if norm == "Linf" else math.prod(spec.shape) ** 0.5


def _grey(spec: ImageSpec) -> bool:
    return spec.channels <= 2


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe:
    """What all recipes of adversarial training have in common; each adds its attack and its optimizer."""

    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    changes: ClassVar[Augmentation | None] = Augmentation(turn=8, stretch=0.08, slant=0.1, move=0.04)
    views: ClassVar[Augmentation | None] = None
    kinds: ClassVar[tuple[str, ...]] = ("image",)
    background: ClassVar[bool] = False
    labelled: ClassVar[int] = 0
    balances: ClassVar[bool] = False
    usual: ClassVar[str] = "wong"
    """The network of the paper."""

    eps: float | None = None
    """How far each pixel, from 0 to 1, may be moved (L2: the whole image). None: 0.3 for grey images
    of up to 28 pixels a side, 8/255 for others (L2: 1.5 and 0.5)."""
    norm: str = "Linf"
    """Linf or L2."""
    net: str | None = None
    """maxout, wong, madry, trades or strided. None: that of the method's paper, or strided for colour images."""
    width: int | None = None
    """Channels of its first convolution, or maxout units a layer. None: as published."""
    mirror: bool = False
    """Flip every other image, where left and right mean the same."""
    guard: bool = True
    """Go back to the best weights where accuracy under PGD, on 200 training images, has fallen by more than 20 points."""
    ramp: float = 0.0
    """Share of the run over which eps grows, evenly from 0. Some begin to learn only so; 0: it is all there at once."""
    average: float = 0.0
    """Half-life of the weights' average that is saved, as a share of the run; 0: the weights as they are."""
    batch_size: int = 100
    """Images a round."""
    lr: float = 0.0
    """The learning rate."""

    def __post_init__(self) -> None:
        if self.norm not in THREATS:
            raise UsageError(f"unknown norm '{self.norm}': {did_you_mean(self.norm, THREATS)}")
        if self.net is not None and self.net not in NETS:
            raise UsageError(f"unknown net '{self.net}': {did_you_mean(self.net, NETS)}")
        if self.eps is not None and not 0 <= self.eps < math.inf:
            raise UsageError(f"--eps must be 0 or more, not {self.eps}")
        check_positive(self, "width", "batch_size", "lr")
        check_range(self, 0, math.inf, "average")
        check_range(self, 0, 1, "ramp")
        if self.norm == "Linf" and self.eps is not None:
            self._check_box(1.0)

    def _check_box(self, widest: float) -> None:
        if self.eps is not None and self.eps > widest * (1 + 1e-6):
            raise UsageError(
                f"--eps {self.eps:g} is beyond the whole box of pixels from 0 to 1, {widest:g} across in {self.norm}: eps is in "
                f"these units; for pixels from 0 to 255 divide it by 255, {self.eps:g}/255 is {self.eps / 255:.4g}"
            )

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Radius and network by the kind of images."""
        eps = self.eps if self.eps is not None else default_eps(self.norm, spec)
        chosen = dataclasses.replace(self, eps=eps, net=self.net or (self.usual if _grey(spec) else "strided"))
        chosen._check_box(widest(self.norm, spec))
        return chosen

    @property
    def in_a_row(self) -> int:
        """Rounds that each batch is played."""
        return 1

    @property
    def threat(self) -> Threat:
        """In the units of images from -1 to 1."""
        assert self.eps is not None
        return threat_of(self.norm, self.eps)

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """The classifier."""
        assert self.net
        width = {} if self.width is None else {"width": self.width}
        return {"classifier": NETS[self.net](spec.shape, len(spec.classes), **width)}

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """None of the networks starts on data."""

    def put_together(
        self,
        net: nn.Module,
        optimizer: Optimizer,
        lr: Schedule,
        total: int,
        *,
        attack: InnerAttack | Ascent,
        loss: AdversarialLoss = adversarial_ce,
    ) -> System:
        """The game, guarded if it should be, with its optimizer and the average."""
        watching: dict[str, nn.Module] = {}
        if self.guard:
            watching["guard"] = guard = OverfittingGuard(net, self.threat)
            attack = guard.strengthen(attack) if isinstance(attack, Ascent) else attack
        game = AdversarialTraining(
            net, self.threat, attack=attack, loss=loss, eps_factor=self._growth, observers=watching
        )
        average = EMA(nn.ModuleDict({"classifier": net}), lambda at: self.average * total)
        return System(game, {"classifier": optimizer}, average, {"classifier": {"lr": lr}})

    def _growth(self, at: float) -> float:
        return min(at / self.ramp, 1.0) if self.ramp else 1.0

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Each paper's own."""
        raise NotImplementedError

"""The base of adversarial training recipes: threat model, networks, guard and system."""

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
from sparring.data.augment.classifier import Augmentation
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
from sparring.games.restart_guard import RestartGuard
from sparring.nets.robustness_cnns import NETS
from sparring.recipes.classifier_recipe import Change
from sparring.recipes.recipe import check_positive, check_range

NORMS = ("Linf", "L2")
"""Norms of the threat model."""


def pixel_threat(norm: str, eps: float) -> Threat:
    """Return the threat model of images in [-1, 1] for an `eps` in units of pixels in [0, 1]."""
    return Threat("L2" if norm == "L2" else "Linf", 2 * eps, low=-1.0, high=1.0)


def max_eps(norm: str, spec: ImageSpec) -> float:
    """Return the largest distance of two images with pixels in [0, 1]."""
    return 1.0 if norm == "Linf" else math.prod(spec.shape) ** 0.5


def _grey(spec: ImageSpec) -> bool:
    return spec.channels <= 2


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe:
    """The fields and networks that all adversarial training recipes share. Each adds its attack and optimizer."""

    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    augmentation: ClassVar[Change | None] = Augmentation(turn=8, stretch=0.08, slant=0.1, move=0.04)
    tta: ClassVar[Change | None] = None
    kinds: ClassVar[tuple[str, ...]] = ("image",)
    background: ClassVar[bool] = False
    prepared_on: ClassVar[int] = 500
    labelled_batch_size: ClassVar[int] = 0
    balance_classes: ClassVar[bool] = False
    default_net: ClassVar[str] = "wong"
    """Network of the paper, used for grey images."""

    eps: float | None = None
    """Radius of the threat model, for pixels in [0, 1]. None: 0.3 for grey images of up to 28 pixels a side,
    8/255 for others (L2: 1.5 and 0.5)."""
    norm: str = "Linf"
    """Norm of the threat model: Linf or L2."""
    net: str | None = None
    """Network: maxout, wong, madry, trades or strided. None: the paper's for grey images, strided for others."""
    width: int | None = None
    """Channels of the first convolution, or maxout units per layer. None: as published."""
    mirror: bool = False
    """Random horizontal flips, for images without a left-right orientation."""
    guard: bool = True
    """Rollback to the best weights if accuracy under PGD on 200 training images falls by more than 20 points."""
    eps_ramp: float = 0.2
    """Fraction of the run over which eps grows linearly from 0; 0 for a constant eps, as published.

    Some networks learn nothing without it.
    """
    ema_half_life: float = 0.0
    """Half-life of the EMA of weights that is saved, as a fraction of the run; 0 for the weights themselves."""
    batch_size: int = 100
    """Images per round."""
    lr: float = 0.0
    """Learning rate."""

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise UsageError(f"unknown norm '{self.norm}': {did_you_mean(self.norm, NORMS)}")
        if self.net is not None and self.net not in NETS:
            raise UsageError(f"unknown net '{self.net}': {did_you_mean(self.net, NETS)}")
        if self.eps is not None and not 0 <= self.eps < math.inf:
            raise UsageError(f"--eps must be 0 or more, not {self.eps}")
        check_positive(self, "width", "batch_size", "lr")
        check_range(self, 0, math.inf, "ema_half_life")
        check_range(self, 0, 1, "eps_ramp")
        if self.norm == "Linf" and self.eps is not None:
            self._check_box(1.0)

    def _check_box(self, max_eps: float) -> None:
        if self.eps is not None and self.eps > max_eps * (1 + 1e-6):
            raise UsageError(
                f"--eps {self.eps:g} is beyond the whole box of pixels from 0 to 1, {max_eps:g} across in {self.norm}: "
                f"divide an eps for pixels from 0 to 255 by 255, {self.eps:g}/255 is {self.eps / 255:.4g}"
            )

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Choose radius and network by the images."""
        eps = self.eps if self.eps is not None else default_eps(self.norm, spec)
        resolved = dataclasses.replace(self, eps=eps, net=self.net or (self.default_net if _grey(spec) else "strided"))
        resolved._check_box(max_eps(self.norm, spec))
        return resolved

    @property
    def replays(self) -> int:
        """Number of consecutive rounds that use the same batch."""
        return 1

    @property
    def threat(self) -> Threat:
        """The threat model for images in [-1, 1]."""
        assert self.eps is not None
        return pixel_threat(self.norm, self.eps)

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the classifier."""
        assert self.net
        width = {} if self.width is None else {"width": self.width}
        return {"classifier": NETS[self.net](spec.shape, len(spec.classes), **width)}

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Do nothing: the networks need no data-dependent initialisation."""

    def build(
        self,
        net: nn.Module,
        optimizer: Optimizer,
        lr: Schedule,
        total: int,
        *,
        attack: InnerAttack | Ascent,
        loss: AdversarialLoss = adversarial_ce,
    ) -> System:
        """Return the system of a classifier, an attack and an optimizer.

        A guard restarts it where it learns nothing; another goes back to earlier weights if `guard` is set.
        """
        restart = RestartGuard(net, self.eps_ramp).to(next(net.parameters()).device)
        observers: dict[str, nn.Module] = {"restart": restart}
        if self.guard:
            observers["guard"] = guard = OverfittingGuard(net, self.threat)
            attack = guard.strengthen(attack) if isinstance(attack, Ascent) else attack
        game = AdversarialTraining(
            net, self.threat, attack=attack, loss=loss, eps_factor=restart.eps_factor, observers=observers
        )
        ema = EMA(nn.ModuleDict({"classifier": net}), lambda at: self.ema_half_life * total)
        return System(game, {"classifier": optimizer}, ema, {"classifier": {"lr": restart.gentler(lr)}})

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the system; each recipe defines it."""
        raise NotImplementedError

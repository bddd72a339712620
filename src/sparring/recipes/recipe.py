"""What a recipe is: a frozen dataclass that turns a data spec into networks, and networks into a system to play."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from torch import nn
from torch.optim import Adam

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.errors import SparringError, UsageError, did_you_mean
from sparring.engine.loop import System


@runtime_checkable
class Recipe(Protocol):
    """One paper's way. Fields are the command line's flags; None means "chosen by data and hardware"."""

    name: ClassVar[str]
    paper: ClassVar[str]
    truncates: ClassVar[bool]
    """True where samples gain from truncated noise (Brock et al. 2019, section 3.1)."""

    @property
    def batch_size(self) -> int:
        """Images a round, over all processes."""
        ...

    @property
    def accumulate(self) -> int:
        """Parts in which each process plays its share of a batch."""
        ...

    @property
    def mirror(self) -> bool:
        """True to flip every other image."""
        ...

    @property
    def latent_dim(self) -> int:
        """Numbers of noise that the generator takes."""
        ...

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """The same recipe with nothing left to choose."""
        ...

    def classes(self, spec: ImageSpec) -> int:
        """Classes that the generator is told of as labels; 0: it takes none."""
        ...

    def condition_stats(self, spec: ImageSpec) -> tuple[tuple[float, float], ...]:
        """Those of the data (`Spec.conditions`), where the generator is told vectors; else none."""
        ...

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Fresh networks, by player. The player sampled from is `generator`."""
        ...

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """The game of these networks, with optimizers and averages, for a run of `total` images."""
        ...


def check_positive(recipe: object, *names: str) -> None:
    """Raise UsageError where a field is given and not above zero."""
    for name in names:
        value = getattr(recipe, name)
        if value is not None and not value > 0:
            raise UsageError(f"--{name.replace('_', '-')} must be above 0, not {value}")


def check_range(recipe: object, low: float, high: float, *names: str) -> None:
    """Raise UsageError where a field is given and not in [low, high)."""
    for name in names:
        value = getattr(recipe, name)
        if value is not None and not low <= value < high:
            raise UsageError(f"--{name.replace('_', '-')} must be at least {low:g} and below {high:g}, not {value}")


def check_share(recipe: object, *names: str) -> None:
    """Raise UsageError where a field is given and not in [0, 1]."""
    for name in names:
        value = getattr(recipe, name)
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"--{name.replace('_', '-')} is a share from 0 to 1, not {value}")


def to_settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe's fields, for JSON."""
    return {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}  # type: ignore[arg-type]


def from_settings(kind: type[Recipe], settings: Mapping[str, Any]) -> Recipe:
    """The recipe that was saved; raises SparringError on settings that it does not know."""
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if odd := sorted(settings.keys() - known):
        raise SparringError(
            f"the saved settings of '{kind.name}' hold '{odd[0]}', which it does not know: {did_you_mean(odd[0], known)}"
        )
    return kind(**settings)


def adams(nets: Mapping[str, nn.Module], lr: float, beta1: float, beta2: float, eps: float = 1e-8) -> dict[str, Adam]:
    """An Adam for each player, fused."""
    betas = float(beta1), float(beta2)
    return {name: Adam(net.parameters(), lr, betas, eps, fused=True) for name, net in nets.items()}


def average_of(generator: nn.Module, total: int, *, share: float, ramp: float) -> EMA:
    """The averaged generator, with a half-life of `share` of the whole run, ramping up from image 0."""
    return EMA(generator, lambda at: max(share * total, 1.0), ramp)

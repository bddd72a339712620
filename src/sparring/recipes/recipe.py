"""The protocol of recipes: dataclasses that turn a data spec into networks, and networks into a system to play."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from torch import nn
from torch.optim import Adam

from sparring.data.in_memory import IndexedDataset
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.errors import SparringError, UsageError, did_you_mean
from sparring.engine.loop import System


@runtime_checkable
class Recipe(Protocol):
    """One paper's method. Fields are the command line's flags; None means "chosen by data and hardware".

    `spec` is the `DataSpec` of one of the recipe's `kinds`.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    """Kinds of data that it trains on."""

    @property
    def batch_size(self) -> int:
        """Examples a round, over all processes."""
        ...

    @property
    def mirror(self) -> bool:
        """True to flip every other image."""
        ...

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Return the same recipe with nothing left to choose."""
        ...

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return fresh networks, by player."""
        ...

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of these networks, with optimizers and EMA, for a run of `total` examples."""
        ...


@runtime_checkable
class GeneratorRecipe(Recipe, Protocol):
    """A recipe with a player `generator` that is sampled from: a GAN or a density model."""

    truncates: ClassVar[bool]
    """True where samples gain from truncated noise (Brock et al. 2019, section 3.1)."""

    @property
    def accumulation_steps(self) -> int:
        """Micro-batches into which each process cuts its part of a batch."""
        ...

    @property
    def labels(self) -> bool:
        """False to ignore the labels that the data have."""
        ...

    def classes(self, spec: Any) -> int:
        """Return the number of classes that the generator is conditioned on; 0: none."""
        ...

    def condition_stats(self, spec: Any) -> tuple[tuple[float, float], ...]:
        """Return those of the data where the generator is conditioned on vectors; else none."""
        ...


@runtime_checkable
class FitsParts(Protocol):
    """A recipe whose fresh networks have parts that are fitted to the training rows, and fixed from then on."""

    def fit_parts(self, nets: Mapping[str, nn.Module], data: IndexedDataset) -> None:
        """Fit these parts of networks on the CPU."""
        ...


@runtime_checkable
class FitsLast(Protocol):
    """A recipe whose trained generator has a part that is fitted after the game."""

    def fit_last(self, generator: nn.Module, data: IndexedDataset, seed: int) -> None:
        """Fit this part of the averaged generator, in eval mode, to the training rows."""
        ...


@runtime_checkable
class GANRecipe(GeneratorRecipe, Protocol):
    """A recipe whose generator turns noise of a chosen dimension into samples by one forward pass."""

    @property
    def latent_dim(self) -> int:
        """Dimension of the generator's noise."""
        ...


class Unconditional:
    """What recipes of image generators share that are conditioned on nothing; others override it."""

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    truncates: ClassVar[bool] = False

    def classes(self, spec: ImageSpec) -> int:
        """Return the number of classes that the generator is conditioned on: 0."""
        return 0

    def condition_stats(self, spec: ImageSpec) -> tuple[tuple[float, float], ...]:
        """Return the statistics of the vectors that the generator is conditioned on: none."""
        return ()


@dataclasses.dataclass(frozen=True)
class Range:
    """The values of a field among which `sparring tune` searches; both ends belong to it."""

    low: float
    high: float
    log: bool = False
    """Whether the scale is logarithmic."""

    @property
    def is_whole(self) -> bool:
        """Return whether the field takes whole numbers: its ends are such."""
        return isinstance(self.low, int)


def tunable(default: float, low: float, high: float, *, log: bool = False) -> Any:
    """Return the field of a recipe that states its range and scale for `sparring tune`; whole ends: whole numbers."""
    return dataclasses.field(default=default, metadata={Range: Range(low, high, log)})


def tunable_fields(recipe: Any) -> dict[str, Range]:
    """Return the fields of a recipe, or of its class, that can be tuned, with their ranges."""
    return {f.name: f.metadata[Range] for f in dataclasses.fields(recipe) if Range in f.metadata}


def check_positive(recipe: object, *names: str) -> None:
    """Raise UsageError where a field is set and not above zero."""
    for name in names:
        value = getattr(recipe, name)
        if value is not None and not value > 0:
            raise UsageError(f"--{name.replace('_', '-')} must be above 0, not {value}")


def check_range(recipe: object, low: float, high: float, *names: str) -> None:
    """Raise UsageError where a field is set and not in [low, high)."""
    for name in names:
        value = getattr(recipe, name)
        if value is not None and not low <= value < high:
            limit = "" if high == math.inf else f" and below {high:g}"
            raise UsageError(f"--{name.replace('_', '-')} must be at least {low:g}{limit}, not {value}")


def check_fraction(recipe: object, *names: str) -> None:
    """Raise UsageError where a field is set and not in [0, 1]."""
    for name in names:
        value = getattr(recipe, name)
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"--{name.replace('_', '-')} must be from 0 to 1, not {value}")


def to_settings(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's fields, for JSON."""
    return {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}  # type: ignore[arg-type]


def from_settings(kind: Any, settings: Mapping[str, Any]) -> Any:
    """Return the recipe of class `kind` with saved settings; raise SparringError on settings that it does not know."""
    known = {f.name for f in dataclasses.fields(kind)}
    if unknown := sorted(settings.keys() - known):
        raise SparringError(
            f"the saved settings of '{kind.name}' hold '{unknown[0]}', which it does not know: "
            f"{did_you_mean(unknown[0], known)}"
        )
    return kind(**settings)


def adams(nets: Mapping[str, nn.Module], lr: float, beta1: float, beta2: float, eps: float = 1e-8) -> dict[str, Adam]:
    """Return a fused Adam for each player."""
    betas = float(beta1), float(beta2)
    return {name: Adam(net.parameters(), lr, betas, eps, fused=True) for name, net in nets.items()}


def ema_of(generator: nn.Module, total: int, *, half_life: float, ramp: float) -> EMA:
    """Return the EMA of a generator. `half_life` is a fraction of the run; it ramps up from image 0."""
    return EMA(generator, lambda at: max(half_life * total, 1.0), ramp)

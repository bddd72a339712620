"""The protocol of recipes that train a classifier, and what such recipes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sparring.data.loader import BatchLoader
from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.game import Batch
from sparring.engine.loop import System
from sparring.engine.seeds import mix
from sparring.nets.tabular_mlp import Standardize
from sparring.recipes.recipe import Recipe, Unconditional


class Change(Protocol):
    """A random change that preserves the class."""

    def __call__(self, x: Tensor, batch: Batch, /) -> Tensor:
        """Change network input `[B, ...]` by the noise of `batch`."""
        ...


@runtime_checkable
class ClassifierRecipe(Recipe, Protocol):
    """A recipe with a player `classifier`, which the EMA holds by this name."""

    augmentation: ClassVar[Change | None]
    """Label-preserving changes of which calibration takes copies, the same for all settings. None: it takes no
    copies."""
    tta: ClassVar[Change | None]
    """Small changes in which each example is classified again for an answer; None: it is classified once."""
    background: ClassVar[bool]
    """True where the network has one class more than the data, the last, of examples that belong to none of them."""
    prepared_on: ClassVar[int]
    """Number of examples that `prepare` is given."""

    @property
    def labelled_batch_size(self) -> int:
        """Labelled examples a round besides the batch; 0: batches are of labelled examples alone."""
        ...

    @property
    def balance_classes(self) -> bool:
        """True where training assumes that all classes are about as frequent."""
        ...

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Initialise the networks on examples `x` of the data, before the first round."""
        ...


class PlainClassifierRecipe:
    """Defaults of recipes whose classifier has neither a background class nor changed copies of examples."""

    augmentation: ClassVar[Change | None] = None
    tta: ClassVar[Change | None] = None
    background: ClassVar[bool] = False
    mirror: ClassVar[bool] = False
    balance_classes: ClassVar[bool] = False

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Standardise the columns of a table by their mean and standard deviation in rows `x` `[N, F]`."""
        for layer in nets["classifier"].modules():
            if isinstance(layer, Standardize):
                layer.fit(x)


class SemiSupervisedRecipe(Unconditional):
    """What recipes for few labels share: a generator without labels, and a classifier without a background class."""

    labels: ClassVar[bool] = True
    background: ClassVar[bool] = False
    prepared_on: ClassVar[int] = 500
    accumulation_steps: ClassVar[int] = 1


def joint_ema(nets: Mapping[str, nn.Module], total: int, half_life: float) -> EMA:
    """Return the EMA of these networks, by name. `half_life` is a fraction of the run; it ramps up from image 0."""
    return EMA(nn.ModuleDict(dict(nets)), lambda at: max(half_life * total, 1.0))


def teacher_of(ema: EMA) -> nn.Module:
    """Return the averaged classifier."""
    both: Any = ema.net
    teacher: nn.Module = both["classifier"]
    return teacher


def build_system(
    recipe: ClassifierRecipe,
    nets: Callable[[Any], Mapping[str, nn.Module]],
    feed: BatchLoader,
    total: int,
    seed: int,
    hardware: Hardware,
) -> System:
    """Return the system of networks, drawn by `seed` and initialised on the first batches, for `total` examples."""
    spec = feed.data.spec
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed))
        modules = {name: hardware.to_device(net) for name, net in nets(spec).items()}
        first = [feed.batches(nimg, 0)[0].x for nimg in range(0, recipe.prepared_on, feed.batch_size)]
        recipe.prepare(modules, torch.cat(first)[: recipe.prepared_on])
        return recipe.system(spec, modules, total)

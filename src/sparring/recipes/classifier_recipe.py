"""What a recipe for few labels is beside a recipe: it trains a `classifier` with its generator, and starts both on data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sparring.data.classifier_augment import Augmentation
from sparring.data.loader import BatchLoader
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.loop import System
from sparring.engine.seeds import mix
from sparring.recipes.recipe import Recipe

STARTED = 500
"""Images that networks are started on, at most."""


@runtime_checkable
class ClassifierRecipe(Recipe, Protocol):
    """A recipe whose players are `generator` and `classifier`; the average holds both, by these names."""

    changes: ClassVar[Augmentation]
    """Changes after which an image still shows the same, of which calibration takes copies: the same for all settings."""
    views: ClassVar[Augmentation | None]
    """Small changes in which each image is looked at again for an answer; None: as it is, once."""

    @property
    def labelled(self) -> int:
        """Labelled images a round."""
        ...

    def prepare(self, nets: Mapping[str, nn.Module], x: Tensor) -> None:
        """Start the networks on images `[B, C, H, W]` of the data, before the first round."""
        ...


class Unconditional:
    """What all recipes for few labels answer to what their generator is told: nothing."""

    truncates: ClassVar[bool] = False
    accumulate: ClassVar[int] = 1

    def classes(self, spec: ImageSpec) -> int:
        """The generator is told no classes."""
        return 0

    def condition_stats(self, spec: ImageSpec) -> tuple[tuple[float, float], ...]:
        """Nor vectors."""
        return ()


def average_of_both(nets: Mapping[str, nn.Module], total: int, share: float) -> EMA:
    """The averages of generator and classifier, with a half-life of `share` of the run, ramping up from image 0."""
    return EMA(nn.ModuleDict(dict(nets)), lambda at: max(share * total, 1.0))


def teacher_of(average: EMA) -> nn.Module:
    """The averaged classifier."""
    both: Any = average.net
    teacher: nn.Module = both["classifier"]
    return teacher


def build_system(
    recipe: ClassifierRecipe,
    nets: Callable[[ImageSpec], Mapping[str, nn.Module]],
    feed: BatchLoader,
    total: int,
    seed: int,
    hardware: Hardware,
) -> System:
    """The system of fresh networks, drawn by `seed` and started on the first batches, for a run of `total` images."""
    spec = feed.data.spec
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed))
        made = {name: hardware.place(net) for name, net in nets(spec).items()}
        first = [feed.batches(nimg, 0)[0].x for nimg in range(0, STARTED, feed.batch_size)]
        recipe.prepare(made, torch.cat(first)[:STARTED])
        return recipe.system(spec, made, total)

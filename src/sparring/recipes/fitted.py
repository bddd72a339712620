"""The protocol of generators that are fitted once, and not trained by the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.recipes.recipe import GeneratorRecipe

OnProgress = Callable[[int, int], None]


@runtime_checkable
class FittedRecipe(GeneratorRecipe, Protocol):
    """A recipe that fits its player `generator` to rows at once; all that it learns is in buffers of modules."""

    def fit(
        self, spec: Any, rows: NDArray[Any], labels: NDArray[np.int64], seed: int, on_progress: OnProgress
    ) -> dict[str, nn.Module]:
        """Return the fitted modules by player, from stored rows `[N, ...]` and their labels `[N]`, -1 for none.

        `on_progress` receives the rounds done and their largest number. The same seed gives the same bits.
        """
        ...


class Fitted:
    """What fitted recipes share: nothing is trained round by round."""

    truncates: ClassVar[bool] = False
    labels: ClassVar[bool] = True
    mirror: ClassVar[bool] = False
    batch_size: ClassVar[int] = 1
    accumulation_steps: ClassVar[int] = 1
    name: ClassVar[str]

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Return the recipe itself: it has no automatic settings."""
        return self

    def classes(self, spec: Any) -> int:
        """Return the number of classes that the generator is conditioned on: 0."""
        return 0

    def condition_stats(self, spec: Any) -> tuple[tuple[float, float], ...]:
        """Return the statistics of the vectors that the generator is conditioned on: none."""
        return ()

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Raise UsageError: there is no game to play."""
        raise UsageError(f"{self.name} is fitted at once, and not trained round by round: `sparring train` does so")

"""Means of the statistics that turns return, between two log lines."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class RunningMean:
    """The mean of each statistic since the last `take`.

    It sums tensors on their device, so `add` never synchronises.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], list[Tensor]] = {}
        self._counts: dict[tuple[str, ...], int] = {}

    def add(self, stats: Mapping[str, Tensor]) -> None:
        """Add one value of each statistic."""
        names, values = tuple(stats), list(stats.values())
        if names in self._sums:
            torch._foreach_add_(self._sums[names], values)  # one kernel for a dozen statistics
        else:
            self._sums[names] = [value.clone() for value in values]
        self._counts[names] = self._counts.get(names, 0) + 1

    def take(self) -> dict[str, float]:
        """Return the means by name, and reset them."""
        totals: dict[str, float] = {}
        counts: dict[str, int] = {}
        for names, sums in self._sums.items():
            for name, total in zip(names, sums, strict=True):
                totals[name] = totals.get(name, 0.0) + float(total)
                counts[name] = counts.get(name, 0) + self._counts[names]
        self._sums, self._counts = {}, {}
        return {name: total / counts[name] for name, total in totals.items()}

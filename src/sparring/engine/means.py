"""Running means of what the turns tell."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class Means:
    """The mean of each statistic since it was last taken. Sums tensors, so that nothing waits for the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, stats: Mapping[str, Tensor]) -> None:
        """Count each scalar in."""
        for name, value in stats.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means, and a fresh start."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

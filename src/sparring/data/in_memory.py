"""Arrays in memory as a data set, beside `Dataset`, whose rows lie in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sparring.engine.data_spec import DataSpec


class IndexedDataset(Protocol):
    """What a feed draws from: rows that are indexed by whole numbers, and what is known of them."""

    @property
    def spec(self) -> Any:
        """Their `DataSpec`; which one depends on the kind of data."""
        ...

    @property
    def fingerprint(self) -> str:
        """Digest of what they are and how they were read."""
        ...

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 `[N]`, -1 = unlabelled."""
        ...

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """Protected groups int64 `[N]`, -1 = unknown; None: nothing is protected."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: NDArray[np.int64], /) -> NDArray[Any]:
        """Rows `[B, H, W, C]`: bytes, or float32 as the network takes them."""
        ...

    def conditions(self, index: NDArray[np.int64], /) -> NDArray[Any]:
        """Return what players are conditioned on: labels int64 `[B]`, or vectors float32 `[B, K]`."""
        ...


@dataclass(frozen=True)
class Scale:
    """How values become numbers around 0: `(values - middle) / unit`."""

    middle: NDArray[np.float64]
    unit: NDArray[np.float64]

    @classmethod
    def of_columns(cls, table: NDArray[Any]) -> Self:
        """Each column of `[N, F]` to mean 0 and deviation 1; one that is the same throughout to 0."""
        deviation = table.std(0, dtype=np.float64)
        return cls(table.mean(0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0))

    @classmethod
    def of_range(cls, images: NDArray[Any]) -> Self:
        """All values to [-1, 1], by the smallest and the largest."""
        low, high = np.float64(images.min()), np.float64(images.max())
        return cls(np.array((low + high) / 2), np.array((high - low) / 2 or 1.0))

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the same shape, float32."""
        return ((values - self.middle) / self.unit).astype(np.float32)


@dataclass(frozen=True)
class InMemoryDataset:
    """Images `[N, H, W, C]` in memory, or rows of a table as images of one pixel, `[N, 1, 1, F]`."""

    fingerprint: ClassVar[str] = "arrays"
    groups: ClassVar[None] = None
    values: NDArray[Any]
    labels: NDArray[np.int64]
    spec: DataSpec
    scale: Scale | None
    """By which they are read; None: they are bytes, and stay so."""

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[Any]:
        rows = self.values[index]
        return rows if self.scale is None else self.scale(rows)

    def conditions(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Labels int64 `[B]`."""
        return self.labels[index]

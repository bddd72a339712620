"""Two data sets as one: the labelled rows of a source, then those of a target, whose labels are hidden."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset, SourceReport
from sparring.engine.data_spec import AudioSpec, DataSpec, TableSpec

RowMap = Callable[[NDArray[Any]], NDArray[Any]]
"""Stored rows `[B, ...]` -> stored rows of the same shape."""


class JoinedDomains:
    """Rows 0 to S - 1 are those of `source`, the others those of `target` (`IndexedDataset`).

    All labels of the target are -1, even where its files hold labels. Source rows pass `source_map`, if there is one.
    Shorter recordings are padded with silence.
    """

    def __init__(self, source: Dataset, target: Dataset, source_map: RowMap | None = None) -> None:
        self.source, self.target, self.source_map = source, target, source_map
        self.labels: NDArray[np.int64] = np.concatenate([source.labels, np.full(len(target), -1)])
        """int64 `[N]`, -1 in the target."""
        self.groups: NDArray[np.int64] | None = None
        longest: Any = longer(source.spec, target.spec)
        self.spec: Any = replace(longest, classes=source.spec.classes, count=len(self), unlabelled=len(target))

    def __len__(self) -> int:
        return len(self.source) + len(self.target)

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[Any]:
        border = len(self.source)
        of_source = index < border
        rows = self.source[index[of_source]]
        if self.source_map is not None and len(rows):
            rows = self.source_map(rows)
        others = self.target[index[~of_source] - border]
        sides = tuple(map(max, zip(rows.shape[1:], others.shape[1:], strict=True)))
        joined = np.zeros((len(index), *sides), others.dtype)
        for place, part in ((of_source, rows), (~of_source, others)):
            padding = [(0, side - size) for side, size in zip(sides, part.shape[1:], strict=True)]
            joined[place] = np.pad(part, [(0, 0), *padding]) if any(size for _, size in padding) else part
        return joined

    def conditions(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return labels int64 `[B]`."""
        return self.labels[index]

    @property
    def fingerprint(self) -> str:
        """Digest of both."""
        both = f"{self.source.fingerprint}+{self.target.fingerprint}".encode()
        return hashlib.blake2b(both, digest_size=16).hexdigest()

    @property
    def report(self) -> SourceReport:
        """Report of the source."""
        return self.source.report

    @cached_property
    def names(self) -> list[str]:
        """Name of each example in its source."""
        return [*self.source.names, *self.target.names]


@singledispatch
def longer(spec: DataSpec, other: DataSpec) -> DataSpec:
    """Return the spec that holds rows of both: of recordings that with the longest one; else they are alike."""
    return spec


@longer.register
def _recordings(spec: AudioSpec, other: DataSpec) -> DataSpec:
    assert isinstance(other, AudioSpec)
    return replace(spec, length=max(spec.length, other.length))


@singledispatch
def moment_map(spec: DataSpec, source: Dataset, target: Dataset) -> RowMap | None:
    """Return a map of stored source rows to the target's mean and deviation; None where the kind needs none.

    Images, recordings and series are normalised one by one, or by networks whose outputs do not depend on the batch.
    """
    return None


@moment_map.register
def _table(spec: TableSpec, source: Dataset, target: Dataset) -> RowMap | None:
    """Map numeric columns; categories stay. So each domain is standardised by itself (Li et al. 2016, "AdaBN")."""
    numeric = [k for column in spec.columns if not column.categories for k in column.indices]
    if not numeric:
        return None
    (mean, std), (target_mean, target_std) = (_moments(each, numeric) for each in (source, target))
    factor = np.where((std > 0) & (target_std > 0), target_std / np.where(std > 0, std, 1), 1.0)

    def mapped(rows: NDArray[Any]) -> NDArray[Any]:
        rows = rows.copy()
        rows[:, numeric] = (rows[:, numeric] - mean) * factor + target_mean
        return rows

    return mapped


def _moments(data: Dataset, columns: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = data[np.arange(len(data))][:, columns]
    return rows.mean(0, np.float64), rows.std(0, dtype=np.float64)

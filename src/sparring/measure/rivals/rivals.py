"""Choose the simple generators that a trained one is compared with, by the kind of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.engine.data_spec import AudioSpec, DataSpec, PairSpec, SeriesSpec, TableSpec


@dataclass(frozen=True)
class LabelledRows:
    """Stored rows with their labels."""

    rows: NDArray[Any]
    """`[N, ...]`, as the data set stores them; NaN is a gap."""
    labels: NDArray[np.int64]
    """Number of the class of each row, `[N]`; -1 where it has none."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, idx: NDArray[np.int64]) -> LabelledRows:
        """Return the rows `idx`, in this order."""
        return LabelledRows(self.rows[idx], self.labels[idx])


Rival = Callable[[Any, LabelledRows, int, np.random.Generator], LabelledRows]
"""(spec, training rows, number of samples, generator of random numbers) -> samples."""


@singledispatch
def rivals_for(spec: DataSpec) -> Mapping[str, Rival]:
    """Return the simple generators of this kind of data by name; images have none."""
    return {}


@rivals_for.register
def _(spec: AudioSpec) -> Mapping[str, Rival]:
    from sparring.measure.rivals.sound_rivals import gaussian

    return {"Gaussian": gaussian}


@rivals_for.register
def _(spec: SeriesSpec) -> Mapping[str, Rival]:
    from sparring.measure.rivals.series_rivals import series_rivals

    return series_rivals(spec)


@rivals_for.register
def _(spec: TableSpec) -> Mapping[str, Rival]:
    if spec.is_wide:
        from sparring.measure.rivals.gene_rivals import gene_rivals

        return gene_rivals()
    from sparring.measure.rivals.table_rivals import independent_columns, smote

    return {"independent": independent_columns, "SMOTE": smote}


@rivals_for.register
def _(spec: PairSpec) -> Mapping[str, Rival]:
    from sparring.measure.rivals.pair_rivals import shuffled

    return {"shuffled": shuffled}

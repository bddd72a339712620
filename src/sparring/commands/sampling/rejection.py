"""Samples of a table that meet conditions, by rejection, of generators whose density is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.codes import cells_of
from sparring.engine.errors import UsageError
from sparring.models.generator import GeneratorModel, Label

TRIED = 20_000
"""Rows after which a condition that hardly any meets is given up."""
LEAST_SHARE = 1 / 2000
"""Proportion of rows that must meet the conditions by then."""
Mask = NDArray[np.bool_]
COMPARE: dict[str, Any] = {"<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater}


class Bound(NamedTuple):
    """A condition on the cells of a column, ready to be compared."""

    column: int
    """Position among the columns of the spec."""
    relation: str
    """One of = != <= >= < >."""
    value: float
    """Number, or NaN for a gap."""
    words: Mask | None
    """Which words meet the condition; None of a column of numbers."""
    step: float
    """Distance of neighbouring numbers of the column; 0 where they are continuous."""

    def meets(self, cells: NDArray[np.float64]) -> Mask:
        """Return which of the cells `[N, columns]` meet it."""
        x = cells[:, self.column]
        if self.words is not None:
            met: Mask = self.words[x.astype(np.int64)]
        elif np.isnan(self.value):
            met = np.isnan(x) == (self.relation == "=")
        elif self.relation in ("=", "!="):
            met = (np.abs(x - self.value) <= self.step / 2) == (self.relation == "=")
        else:
            met = COMPARE[self.relation](x, self.value)
        return met


@dataclass
class RejectionModel(GeneratorModel):
    """A generator of table rows, of which those are kept that meet all `bounds`."""

    bounds: Sequence[Bound] = field(default_factory=list)
    text: str = ""
    """The conditions as they were given, for messages."""

    def samples(self, n: int, seed: int = 0, label: Label | None = None) -> Iterator[NDArray[Any]]:
        """Yield `n` rows that meet the conditions; raise UsageError where hardly any does."""
        kept = tried = 0
        for rows in super().samples(1 << 60, seed, label):
            cells = cells_of(self.spec, rows)
            met = rows[np.logical_and.reduce([bound.meets(cells) for bound in self.bounds])][: n - kept]
            kept, tried = kept + len(met), tried + len(rows)
            if len(met):
                yield met
            if kept == n:
                return
            if tried >= TRIED and kept < LEAST_SHARE * tried:
                raise UsageError(
                    f"{self.text}: {kept} of {tried:,} generated rows meet it: widen it, or take --recipe arf, which "
                    "draws such rows exactly"
                )


def rejecting(model: GeneratorModel, bounds: Sequence[Bound], text: str) -> RejectionModel:
    """Return the generator of rows that meet all `bounds`."""
    values = {each.name: getattr(model, each.name) for each in fields(GeneratorModel)}
    return RejectionModel(**values, bounds=bounds, text=text)

"""Constraints that keep attacked table rows plausible: immutable, monotone, integer and one-hot columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from sparring.engine.errors import UsageError

EXCLUSIVE = (
    ("immutable", "increasing"),
    ("immutable", "decreasing"),
    ("immutable", "integer"),
    ("immutable", "one_hot"),
    ("increasing", "decreasing"),
    ("one_hot", "increasing"),
    ("one_hot", "decreasing"),
    ("one_hot", "integer"),
)
"""Pairs of constraints that one column cannot have both of."""
SLACK = 1e-5
"""Distance by which a bound may miss a whole number and still reach it."""


@dataclass(frozen=True)
class TabularConstraints:
    """Constraints on the columns of `[B, F]`, by column index. Columns without a constraint may take any value."""

    immutable: tuple[int, ...] = ()
    """Columns that never change."""
    increasing: tuple[int, ...] = ()
    """Columns that may only grow (age, years in a job)."""
    decreasing: tuple[int, ...] = ()
    """Columns that may only shrink."""
    integer: tuple[int, ...] = ()
    """Columns of whole numbers; they may be increasing or decreasing as well."""
    one_hot: tuple[tuple[int, ...], ...] = ()
    """Groups of columns in which exactly one is 1 and the others are 0."""

    def __post_init__(self) -> None:
        flat = tuple(chain.from_iterable(self.one_hot))
        for name in ("immutable", "increasing", "decreasing", "integer", "one_hot"):
            columns = flat if name == "one_hot" else getattr(self, name)
            if repeated := [column for column, count in Counter(columns).items() if count > 1]:
                raise UsageError(f"column {repeated[0]} is named twice under {name}: name it once")
            if negative := [column for column in columns if column < 0]:
                raise UsageError(f"column {negative[0]} under {name}: columns are counted from 0")
        for first, second in EXCLUSIVE:
            a, b = (flat if name == "one_hot" else getattr(self, name) for name in (first, second))
            if both := sorted(set(a) & set(b)):
                raise UsageError(f"column {both[0]} is {first} and {second}: it can only be one of them")
        if small := [group for group in self.one_hot if len(group) < 2]:
            raise UsageError(
                f"the one-hot group {small[0]} has fewer than two columns: leave it out, or make it immutable"
            )

    @property
    def named(self) -> frozenset[int]:
        """Indices of all columns with a constraint."""
        single = (*self.immutable, *self.increasing, *self.decreasing, *self.integer)
        return frozenset(chain(single, *self.one_hot))

    @property
    def discrete(self) -> list[int]:
        """Indices of columns with a discrete set of values: integer and one-hot."""
        return sorted({*self.integer, *chain.from_iterable(self.one_hot)})

    def narrow(self, x: Tensor, low: Tensor, high: Tensor) -> None:
        """Tighten the bounds `[B, F]` in place to the values reachable from `x` `[B, F]`."""
        for columns in (self.immutable, self.increasing):
            low[:, columns] = x[:, columns]
        for columns in (self.immutable, self.decreasing):
            high[:, columns] = x[:, columns]

    def nearest(self, adv: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Round integer columns and one-hot groups of `adv` to allowed values between the bounds; all `[B, F]`."""
        adv = adv.clone()
        integer = list(self.integer)
        bounds = (low[:, integer] - SLACK).ceil(), (high[:, integer] + SLACK).floor()
        adv[:, integer] = adv[:, integer].round().clamp(*bounds)
        for group in map(list, self.one_hot):
            choices = torch.eye(len(group), dtype=adv.dtype, device=adv.device)
            within = (choices >= low[:, None, group] - SLACK) & (choices <= high[:, None, group] + SLACK)
            choice = adv[:, group].masked_fill(~within.all(2), -torch.inf).argmax(1)
            adv[:, group] = choices[choice]
        return adv

    def met(self, adv: Tensor, x: Tensor) -> Tensor:
        """Return whether each row of `adv` satisfies all constraints relative to `x`; bool `[B]`."""
        change = adv - x
        valid = (change[:, self.immutable] == 0).all(1)
        valid &= (change[:, self.increasing] >= 0).all(1) & (change[:, self.decreasing] <= 0).all(1)
        valid &= (adv[:, self.integer] == adv[:, self.integer].round()).all(1)
        for group in self.one_hot:
            hot = adv[:, group]
            valid &= ((hot == 0) | (hot == 1)).all(1) & (hot.sum(1) == 1)
        return valid

    def check(self, x: Tensor) -> None:
        """Raise UsageError unless `x` is a table `[B, F]` that satisfies the integer and one-hot constraints."""
        if not self.named:
            return
        if x.dim() != 2:
            raise UsageError(
                f"constraints on columns are for tables [B, F], and x is {list(x.shape)}: use mask instead"
            )
        if max(self.named) >= x.shape[1]:
            raise UsageError(f"there is no column {max(self.named)}: x has {x.shape[1]}, counted from 0")
        for column in self.integer:
            if (invalid := x[:, column] != x[:, column].round()).any():
                row = int(invalid.nonzero()[0])
                raise UsageError(
                    f"column {column} is named as integer, but row {row} has {float(x[row, column]):g}: "
                    "give x in its own units, and put the standardisation into the model"
                )
        for group in self.one_hot:
            hot = x[:, group]
            if (invalid := ~(((hot == 0) | (hot == 1)).all(1) & (hot.sum(1) == 1))).any():
                raise UsageError(f"row {int(invalid.nonzero()[0])} is not one-hot in the columns {group}")

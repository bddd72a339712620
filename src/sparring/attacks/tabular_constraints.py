"""What may happen to the columns of a table: not every row of numbers is a person, or a transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from sparring.engine.errors import UsageError


@dataclass(frozen=True)
class TabularConstraints:
    """Constraints on the columns of `[B, F]`, by number. What is not named may move freely."""

    immutable: tuple[int, ...] = ()
    """Never change."""
    increasing: tuple[int, ...] = ()
    """Only ever grow (age, years in a job)."""
    decreasing: tuple[int, ...] = ()
    """Only ever shrink."""
    integer: tuple[int, ...] = ()
    """Whole numbers; they may be increasing or decreasing as well."""
    one_hot: tuple[tuple[int, ...], ...] = ()
    """Groups of columns of which one is 1 and the others are 0."""

    def __post_init__(self) -> None:
        flat = tuple(chain.from_iterable(self.one_hot))
        for name in ("immutable", "increasing", "decreasing", "integer", "one_hot"):
            columns = flat if name == "one_hot" else getattr(self, name)
            if twice := [column for column, times in Counter(columns).items() if times > 1]:
                raise UsageError(f"column {twice[0]} is named twice under {name}: name it once")
            if negative := [column for column in columns if column < 0]:
                raise UsageError(f"column {negative[0]} under {name}: columns are counted from 0")
        for one, other in (
            ("immutable", "increasing"),
            ("immutable", "decreasing"),
            ("immutable", "integer"),
            ("immutable", "one_hot"),
            ("increasing", "decreasing"),
            ("one_hot", "increasing"),
            ("one_hot", "decreasing"),
            ("one_hot", "integer"),
        ):
            a, b = (flat if name == "one_hot" else getattr(self, name) for name in (one, other))
            if both := sorted(set(a) & set(b)):
                raise UsageError(f"column {both[0]} is {one} and {other}: it can only be one of them")
        if small := [group for group in self.one_hot if len(group) < 2]:
            raise UsageError(
                f"the one-hot group {small[0]} has fewer than two columns: leave it out, or make it immutable"
            )

    @property
    def named(self) -> frozenset[int]:
        """Every column with a constraint."""
        plain = (*self.immutable, *self.increasing, *self.decreasing, *self.integer)
        return frozenset(chain(plain, *self.one_hot))

    @property
    def discrete(self) -> list[int]:
        """Columns with only some values allowed."""
        return sorted({*self.integer, *chain.from_iterable(self.one_hot)})

    def narrow(self, x: Tensor, low: Tensor, high: Tensor) -> None:
        """Draw the bounds `[B, F]` in, in place, to what may be reached from `x` `[B, F]`."""
        for columns in (self.immutable, self.increasing):
            low[:, columns] = x[:, columns]
        for columns in (self.immutable, self.decreasing):
            high[:, columns] = x[:, columns]

    def nearest(self, adv: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """`adv` with whole numbers and one-hot groups made such, between the bounds; all `[B, F]`."""
        adv = adv.clone()
        whole = list(self.integer)
        adv[:, whole] = adv[:, whole].round().clamp((low[:, whole] - SLACK).ceil(), (high[:, whole] + SLACK).floor())
        for group in map(list, self.one_hot):
            choices = torch.eye(len(group), dtype=adv.dtype, device=adv.device)
            within = (choices >= low[:, None, group] - SLACK) & (choices <= high[:, None, group] + SLACK)
            choice = adv[:, group].masked_fill(~within.all(2), -torch.inf).argmax(1)
            adv[:, group] = choices[choice]
        return adv

    def met(self, adv: Tensor, x: Tensor) -> Tensor:
        """True for each row of `adv` that keeps to all constraints, coming from `x`; bool `[B]`."""
        change = adv - x
        kept = (change[:, self.immutable] == 0).all(1)
        kept &= (change[:, self.increasing] >= 0).all(1) & (change[:, self.decreasing] <= 0).all(1)
        kept &= (adv[:, self.integer] == adv[:, self.integer].round()).all(1)
        for group in self.one_hot:
            some = adv[:, group]
            kept &= ((some == 0) | (some == 1)).all(1) & (some.sum(1) == 1)
        return kept

    def check(self, x: Tensor) -> None:
        """Raise UsageError where `x` is no table with these columns."""
        if not self.named:
            return
        if x.dim() != 2:
            raise UsageError(
                f"constraints on columns are for tables [B, F], and x is {list(x.shape)}: use mask instead"
            )
        if max(self.named) >= x.shape[1]:
            raise UsageError(f"there is no column {max(self.named)}: x has {x.shape[1]}, counted from 0")
        for column in self.integer:
            if (odd := x[:, column] != x[:, column].round()).any():
                row = int(odd.nonzero()[0])
                raise UsageError(
                    f"column {column} is named as integer, but row {row} has {float(x[row, column]):g}: "
                    "give x in its own units, and put the standardisation into the model"
                )
        for group in self.one_hot:
            hot = x[:, group]
            if (odd := ~(((hot == 0) | (hot == 1)).all(1) & (hot.sum(1) == 1))).any():
                raise UsageError(f"row {int(odd.nonzero()[0])} is not one-hot in the columns {group}")


SLACK = 1e-5
"""By which a bound may miss a whole number and still reach it."""

"""Sentences about handles, and when they hold: one reading changes, and no other by more than half as much."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MIN_CHANGE = 0.25
"""Smallest change of the named reading, in deviations."""
MAX_SIDE_EFFECT = 0.5
"""Largest change of any other reading, as a fraction of that of the named one."""


@dataclass(frozen=True)
class Sentence:
    """What moving a handle forwards does to one reading."""

    reading: int
    """Number of the reading."""
    sign: int
    """1: it rises; -1: it falls."""

    def text(self, handle: str, names: tuple[str, ...]) -> str:
        """Return the sentence in words."""
        verb = "raises" if self.sign > 0 else "lowers"
        return f"{handle} {verb} {names[self.reading]} and changes no other reading by more than half as much"

    def hits(self, change: Tensor) -> Tensor:
        """Return where the sentence holds, bool `[N]`, of half the changes from - to + `[N, m]`, in deviations."""
        return hit_table(change)[:, self.reading, 0 if self.sign > 0 else 1]


def hit_table(change: Tensor) -> Tensor:
    """Return where each possible sentence holds: bool `[N, m, 2]` of changes `[N, m]`; the last axis is rise, fall.

    With D the changes, the sentence on reading c holds where D_c has its sign, |D_c| >= 0.25, and
    max over j != c of |D_j| <= |D_c| / 2.
    """
    size = change.abs()
    others = size[:, None, :].expand(-1, size.shape[1], -1).clone()
    others.diagonal(dim1=1, dim2=2).zero_()
    holds = (size >= MIN_CHANGE) & (others.amax(2) <= MAX_SIDE_EFFECT * size)
    return torch.stack([holds & (change > 0), holds & (change < 0)], 2)


def best_sentence(change: Tensor) -> Sentence:
    """Return the sentence that holds most often for changes `[N, m]`; of equal ones, of the largest mean change."""
    rates = hit_table(change).double().mean(0)
    mean = change.double().mean(0)
    mean = mean / mean.abs().sum().clamp_min(1e-12)
    ties = torch.stack([mean, -mean], 1) / (2 * len(change))  # less than one hit
    best = int((rates + ties).flatten().argmax())
    return Sentence(best // 2, 1 if best % 2 == 0 else -1)

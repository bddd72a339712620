"""What a data set of pairs looks like to a network: two examples, each of its own kind, that belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparring.engine.table_form import set_tuples

if TYPE_CHECKING:  # `sparring inspect` needs no torch
    import torch
    from torch import Tensor

HALVES = ("first", "second")
"""Fields of a stored row, one for each half."""


@dataclass(frozen=True)
class PairSpec:
    """Specs of the two halves; stored as structured rows `[B]` with the fields `HALVES`, network input is flat."""

    kind: ClassVar[str] = "pair"
    plural: ClassVar[str] = "pairs"

    halves: tuple[Any, ...]
    """`DataSpec` of each half."""
    classes: tuple[str, ...] = ()
    """Names of the classes; label k means `classes[k]`."""
    count: int = 0
    """Number of training pairs."""
    unlabelled: int = 0
    """Number of training pairs without a label, where others have one."""
    condition_stats: tuple[tuple[float, float], ...] = ()
    """Mean and standard deviation of each number of a vector label; empty without vector labels."""
    groups: tuple[str, ...] | None = None
    """Names of the protected groups; None: nothing is protected."""

    def __post_init__(self) -> None:
        set_tuples(self)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the halves: their kinds, with numbers where these are equal."""
        kinds = [half.kind for half in self.halves]
        same = len(set(kinds)) < len(kinds)
        return tuple(f"{kind}_{k + 1}" if same else kind for k, kind in enumerate(kinds))

    @property
    def conditioned(self) -> tuple[Any, ...]:
        """Specs of the halves with the classes of the pairs."""
        return tuple(replace(half, classes=self.classes, unlabelled=0) for half in self.halves)

    @property
    def shape(self) -> tuple[int]:
        """Numbers in the network input of a pair: those of the first half, then those of the second."""
        return (sum(math.prod(half.shape) for half in self.halves),)

    def by_half(self, rows: NDArray[Any]) -> list[tuple[Any, NDArray[Any]]]:
        """Return spec and stored rows `[B, ...]` of each half of structured rows `[B]`."""
        return [(half, np.ascontiguousarray(rows[name])) for half, name in zip(self.halves, HALVES, strict=True)]

    def encode(self, rows: NDArray[Any], device: torch.device | None = None) -> Tensor:
        """Convert structured rows `[B]` to the flat network input of both halves, float32 `[B, F]`."""
        import torch

        return torch.cat([half.encode(part, device).flatten(1) for half, part in self.by_half(rows)], 1)

    def decode(self, x: Tensor) -> NDArray[Any]:
        """Convert flat network input `[B, F]` to structured rows `[B]`."""
        parts = split_flat(x, [half.shape for half in self.halves])
        return pair_rows([half.decode(part) for half, part in zip(self.halves, parts, strict=True)])


def split_flat(x: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Split flat rows `[B, F]` into tensors `[B, *shape]` of these shapes."""
    import torch

    sizes = [math.prod(shape) for shape in shapes]
    return [part.reshape(-1, *shape) for part, shape in zip(torch.split(x, sizes, 1), shapes, strict=True)]


def pair_dtype(halves: Sequence[tuple[DTypeLike, tuple[int, ...]]]) -> np.dtype[Any]:
    """Return the dtype of a stored pair, of the dtype and shape of the rows of each half."""
    return np.dtype([(name, dtype, shape) for name, (dtype, shape) in zip(HALVES, halves, strict=True)])


def pair_rows(halves: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return structured rows `[B]` of the stored rows `[B, ...]` of each half."""
    rows = np.empty(len(halves[0]), pair_dtype([(half.dtype, half.shape[1:]) for half in halves]))
    for name, half in zip(HALVES, halves, strict=True):
        rows[name] = half
    return rows

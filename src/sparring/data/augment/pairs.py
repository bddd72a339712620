"""Augmentation of pairs: each half by its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch
from sparring.engine.pair_spec import split_flat


class PairAugment(nn.Module):
    """Augmentations of the halves of flat pairs `[B, F]`, whose halves are of `shapes`, by their names.

    A half without one is left as it is.
    """

    def __init__(self, halves: Mapping[str, nn.Module | None], shapes: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.shapes, self.names = shapes, tuple(halves)
        self.halves: Any = nn.ModuleDict({name: half for name, half in halves.items() if half is not None})

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """Return pairs of the same shape, changed by the noise of `batch`."""
        parts = dict(zip(self.names, split_flat(x, self.shapes), strict=True))
        for name, half in self.halves.items():
            parts[name] = half(parts[name], batch)
        return torch.cat([part.flatten(1) for part in parts.values()], 1)

    def observe(self, real: Tensor, fake: Tensor) -> None:
        """Update the state of each half."""
        for half in self.halves.values():
            half.observe(real, fake)

    def stats(self) -> dict[str, Tensor | float]:
        """Return the current strengths, by half."""
        return {f"{key}_{name}": value for name, half in self.halves.items() for key, value in half.stats().items()}

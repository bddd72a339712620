"""The sliced Wasserstein distance: no network, no tuning, any data of one shape."""

from __future__ import annotations

import torch
from torch import Tensor

AT_ONCE = 32
"""Directions: with more, those of large images would take more memory than the images."""


def sliced_wasserstein(x: Tensor, y: Tensor, *, directions: int = 256, seed: int = 0) -> float:
    """The mean over random directions of the 1-D 2-Wasserstein distance of `x` and `y`, both `[N, ...]` with equal N.

    Rabin et al. 2012. The unit is that of the data's values, per square root of a value: it does not grow with the
    number of pixels. Directions come from `seed`, so figures of one shape compare.
    """
    if len(x) != len(y) or x[0].shape != y[0].shape:
        raise ValueError(f"x and y must have one shape, not {list(x.shape)} and {list(y.shape)}")
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for first in range(0, directions, AT_ONCE):
        lines = torch.randn(x[0].numel(), min(AT_ONCE, directions - first), generator=generator, dtype=torch.float64)
        lines = (lines / lines.norm(dim=0)).to(x.device)
        apart = _along(x, lines).sort(0).values - _along(y, lines).sort(0).values
        distances.append(apart.square().mean(0).sqrt())
    return float(torch.cat(distances).mean())


def _along(x: Tensor, lines: Tensor) -> Tensor:
    """Where each of `x` lies on each line, in float64, some rows at a time: large images are not copied whole."""
    rows = max(1, (1 << 22) // lines.shape[0])
    return torch.cat([part.flatten(1).double() @ lines for part in torch.split(x, rows)])

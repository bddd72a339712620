"""The sliced Wasserstein distance: no network, no tuning, any data of one shape."""

from __future__ import annotations

import torch
from torch import Tensor


def sliced_wasserstein(x: Tensor, y: Tensor, *, directions: int = 256, seed: int = 0) -> float:
    """The mean over random directions of the 1-D 2-Wasserstein distance of `x` and `y`, both `[N, ...]` with equal N.

    Rabin et al. 2012. The unit is that of the data's values, per square root of a value: it does not grow with the
    number of pixels. Directions come from `seed`, so figures of one shape compare.
    """
    if len(x) != len(y) or x[0].shape != y[0].shape:
        raise ValueError(f"x and y must have one shape, not {list(x.shape)} and {list(y.shape)}")
    x, y = x.flatten(1).double(), y.flatten(1).double()
    generator = torch.Generator().manual_seed(seed)
    lines = torch.randn(x.shape[1], directions, generator=generator, dtype=torch.float64).to(x.device)
    lines /= lines.norm(dim=0)
    apart = (x @ lines).sort(0).values - (y @ lines).sort(0).values
    return float(apart.square().mean(0).sqrt().mean())

"""The simplest density: independent values. A model that is worse has learnt nothing."""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor

from sparring.engine.data_spec import DataSpec, ImageSpec


@singledispatch
def independent_nll(spec: DataSpec, train: Tensor, x: Tensor) -> float | None:
    """Return the mean -log p of `x` under a model of independent values, the simplest baseline; None if undefined."""
    return None


@independent_nll.register
def _(spec: ImageSpec, train: Tensor, x: Tensor) -> float:
    """Count the values of each pixel over the training images, each value once more."""
    levels = 2 if bool((train.abs() == 1).all()) else 256
    counts = torch.ones(*spec.shape, levels, dtype=torch.float64)
    index = ((train + 1) / 2 * (levels - 1)).round().long().movedim(0, -1)
    counts.scatter_add_(-1, index, torch.ones(index.shape, dtype=torch.float64))
    log_p = (counts / counts.sum(-1, keepdim=True)).log()
    wanted = ((x + 1) / 2 * (levels - 1)).round().long().movedim(0, -1)
    return -float(log_p.gather(-1, wanted).sum(dim=(0, 1, 2)).mean())

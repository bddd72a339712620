"""What a glance at samples tells: figures of a thousand images or fewer, `[N, ...]`, that cost a few milliseconds.

They come without intervals and are exact to float32 alone: `measure.scores.prdc` takes thirty times as long for both.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOURS = 5
"""Of an image of the data: its ball reaches to this one (Naeem et al. 2020)."""


def coverage(x: Tensor, y: Tensor, k: int = NEIGHBOURS) -> float:
    """The share of the data `y` that have a sample of `x` nearer than their k-th neighbour (Naeem et al. 2020, Eq. 4).

    NaN where there are not k neighbours.
    """
    if len(y) <= k:
        return float("nan")
    x, y = x.flatten(1), y.flatten(1)
    radii = torch.cdist(y, y).kthvalue(k + 1).values  # the nearest is the image itself
    return float((torch.cdist(y, x).amin(1) <= radii).float().mean())


def nearest_other(x: Tensor) -> Tensor:
    """The distance `[N]` of each row to its nearest other row."""
    x = x.flatten(1)
    return torch.cdist(x, x).fill_diagonal_(torch.inf).amin(1)


def variety(x: Tensor, y: Tensor) -> float:
    """How far samples are from their nearest other sample, as a share of what the data `y` are, for equal numbers.

    1: as varied as the data. Towards 0: the same few things again and again. NaN where data are all alike.
    """
    return float(nearest_other(x).mean() / nearest_other(y).mean())


def wins(a: Tensor, b: Tensor) -> float:
    """The share of pairs in which one of `a` is larger than one of `b`; a tie counts half (the area under the ROC)."""
    apart = a[:, None] - b
    return float((apart > 0).float().mean() + (apart == 0).float().mean() / 2)


def twins(x: Tensor, y: Tensor, share: float = 0.01) -> tuple[float, float]:
    """The birthday test (Arora, Zhang 2017): the share of samples with a twin, and how many distinct ones there may be.

    Twins are nearer to each other than all but `share` of the data `y`, as many, are to their nearest other one. Among n
    drawn from m equally likely things about n^2 / 2m pairs are twins.
    """
    x, y = x.flatten(1), y.flatten(1)
    bound = torch.quantile(nearest_other(y), share)
    pairs = int((torch.pdist(x) < bound).sum())
    return float((nearest_other(x) < bound).float().mean()), len(x) ** 2 / (2 * max(pairs, 0.5))

"""The circular block bootstrap: intervals of means of dependent values, such as those of overlapping windows."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.stats.intervals import RESAMPLES, Interval, ends_of, wilson_interval


def block_interval(values: Tensor, block: int, *, seed: int = 0) -> Interval:
    """Return the mean of `values` `[N]`, in the order of time, with its 95 % interval by blocks of `block` values.

    Politis and Romano 1992: blocks begin anywhere, and go on at the beginning after the end. The block should be longer
    than the dependence. Raises ValueError without values, or with a block below 1.
    """
    if block < 1 or not len(values):
        raise ValueError(f"{len(values)} values in blocks of {block}: both must be 1 or more")
    values = values.detach().double().cpu()
    n = len(values)
    block = min(block, n)
    sums = torch.cat([values.new_zeros(1), torch.cat([values, values[: block - 1]]).cumsum(0)])
    block_sums = sums[block:] - sums[:-block]
    full, rest = divmod(n, block)
    generator = torch.Generator().manual_seed(seed)
    totals = block_sums[torch.randint(n, (RESAMPLES, full), generator=generator)].sum(1)
    if rest:
        short = (torch.cat([values, values[: rest - 1]]) if rest > 1 else values).unfold(0, rest, 1).sum(1)
        totals = totals + short[torch.randint(n, (RESAMPLES,), generator=generator)]
    low, high = ends_of(totals / n)
    return Interval(float(values.mean()), low, high)


def block_proportion(values: Tensor, block: int, *, seed: int = 0) -> Interval:
    """Return the mean of `values` `[N]` in [0, 1] as `block_interval` does.

    Where all are 0, or all 1, a bootstrap has no width: the interval is then Wilson's, of as many rows as there are
    blocks, which is on the safe side.
    """
    if not (values == values[:1]).all() or float(values[0]) not in (0.0, 1.0):
        return block_interval(values, block, seed=seed)
    blocks = max(len(values) // block, 1)
    return Interval(float(values[0]), *wilson_interval(round(float(values[0]) * blocks), blocks))

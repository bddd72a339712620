"""Path length: how evenly samples change on the way from one latent to another."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparring.measure.effects.latents import Latents, Render, slerp
from sparring.stats.intervals import Interval, ends_of, resampled_means

STEP = 1e-2
"""Part of the way between the two samples that are compared; Karras et al. have 1e-4."""
LINEAR = math.pi**2 / 8
"""Path length of a linear generator of many latent dimensions."""


def path_length(render: Render, starts: Latents, ends: Latents, seed: int = 0) -> Interval:
    """Return the path length between `starts` and `ends`, relative to the distance of the samples at both.

    With G the generator and s(t) the arc from a to b, it is E[|G(s(t + e)) - G(s(t))|^2] / e^2 divided by
    E[|G(b) - G(a)|^2] (Karras et al. 2019, section 4.1, whose distance is LPIPS and has no divisor). t is uniform, the
    labels are those of `starts`. A linear generator has pi^2 / 8 = 1.23; jumps between flat parts give large values.
    The 95 % interval is a bootstrap over the pairs. Raises ValueError where all samples are equal.
    """
    at = torch.rand(len(starts), 1, generator=torch.Generator().manual_seed(seed)) * (1 - STEP)
    a, b, y = starts.z, ends.z, starts.y
    paths = _squared(render, Latents(slerp(a, b, at), y), Latents(slerp(a, b, at + STEP), y)) / STEP**2
    straight = _squared(render, Latents(a, y), Latents(b, y))
    if float(straight.mean()) == 0:
        raise ValueError("all samples are equal: they have no path length")
    value = float(paths.mean() / straight.mean())
    low, high = ends_of(resampled_means((paths - value * straight) / straight.mean(), seed))
    return Interval(value, value + low, value + high)


def _squared(render: Render, starts: Latents, ends: Latents) -> Tensor:
    """Return the mean squared difference of the samples at `starts` and `ends`, `[N]`, float64."""
    pairs = zip(starts.chunks(), ends.chunks(), strict=True)
    return torch.cat([(render(a) - render(b)).double().square().flatten(1).mean(1).cpu() for a, b in pairs])

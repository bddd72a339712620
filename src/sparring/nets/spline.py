"""Monotone splines of rational quadratics on [0, 1] (Durkan et al. 2019, "Neural spline flows", section 3.1).

Own code, since the core has no library of flows.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, softmax, softplus

from sparring.nets.flow_layers import Mapped

MIN_WIDTH = 1e-3
"""Smallest width and height of a bin; with at most 500 bins."""
MIN_SLOPE = 1e-3
"""Smallest derivative at a knot."""


def parameter_count(bins: int) -> int:
    """Return how many numbers describe a spline: widths, heights and the slopes at all knots."""
    return 3 * bins + 1


def spline(x: Tensor, raw: Tensor, *, inverse: bool = False) -> Mapped:
    """Map x `[...]` in [0, 1] by splines with parameters `raw` `[..., 3 bins + 1]`; return log slopes too.

    Zero parameters give the identity. `inverse` maps back, and returns the log slopes of the inverse.
    """
    bins = raw.shape[-1] // 3
    widths, heights, slopes = torch.split(raw, [bins, bins, bins + 1], -1)
    x_knots, y_knots = _knots(widths), _knots(heights)
    slopes = MIN_SLOPE + (1 - MIN_SLOPE) * softplus(slopes) / softplus(slopes.new_zeros(()))
    knots = y_knots if inverse else x_knots
    index = (x.unsqueeze(-1) >= knots[..., 1:-1]).sum(-1, keepdim=True)

    def at(values: Tensor, offset: int = 0) -> Tensor:
        return values.gather(-1, index + offset).squeeze(-1)

    left, bottom = at(x_knots), at(y_knots)
    width, height = at(x_knots, 1) - left, at(y_knots, 1) - bottom
    low, high = at(slopes), at(slopes, 1)
    mean = height / width
    bend = low + high - 2 * mean
    if inverse:  # Eq. 6 to 8
        rise = x - bottom
        a, b, c = height * (mean - low) + rise * bend, height * low - rise * bend, -mean * rise
        part = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
    else:
        part = (x - left) / width
    part = part.clamp(0, 1)
    product = part * (1 - part)
    below = mean + bend * product
    slope = mean.square() * (high * part.square() + 2 * mean * product + low * (1 - part).square())  # Eq. 5
    log_slope = slope.log() - 2 * below.log()
    if inverse:
        return left + part * width, -log_slope
    return bottom + height * (mean * part.square() + low * product) / below, log_slope  # Eq. 4


def _knots(raw: Tensor) -> Tensor:
    """Return bins + 1 increasing numbers from 0 to 1."""
    bins = raw.shape[-1]
    sizes = MIN_WIDTH + (1 - MIN_WIDTH * bins) * softmax(raw, -1)
    inner = sizes.cumsum(-1)[..., :-1]
    return pad(pad(inner, (1, 0)), (0, 1), value=1.0)

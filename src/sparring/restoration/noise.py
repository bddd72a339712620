"""Estimate the noise of one picture, and the noise that JPEG's tables allow."""

from __future__ import annotations

import torch
from torch import Tensor

MAD_OF_NORMAL = 0.6744898
"""Median absolute value of the standard normal distribution."""


def estimate_noise(x: Tensor) -> float:
    """Return the standard deviation of white noise in `x` `[1, C, H, W]` in [0, 1], 0 where there is none.

    The median absolute deviation of the finest diagonal Haar coefficients (Donoho and Johnstone 1994), the median over
    channels. Blocks with a pixel at 0 or 1 are left out where others remain: noise is cut off there.
    """
    h, w = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    a, b, c, d = x[..., :h:2, :w:2], x[..., :h:2, 1:w:2], x[..., 1:h:2, :w:2], x[..., 1:h:2, 1:w:2]
    detail = (a - b - c + d) / 2
    corners = torch.stack([a, b, c, d])
    inside = (corners.amin(0) > 0) & (corners.amax(0) < 1)
    sigmas = []
    for channel in range(x.shape[1]):
        values, usable = detail[0, channel], inside[0, channel]
        values = values[usable] if bool(usable.any()) else values.flatten()
        sigmas.append(values.abs().median() / MAD_OF_NORMAL)
    return float(torch.stack(sigmas).median())

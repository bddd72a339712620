"""Fixed random features whose means identify a distribution: Fourier features of pixels and of a scattering transform.

phi(x) = [cos w x', sin w x'] / sqrt(F), w ~ N(0, I / width^2) (Rahimi and Recht 2007): for half of the frequencies x'
are the pixels, for half the scattering coefficients S(x) / |S(x)|. Of norm 1 for every x, by construction and not by
the data; nothing is trained.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sparring.nets.scattering import WINDOW, Scattering

FEATURES_SEED = 5_021
"""Seed of the frequencies, which are public."""

SCALES = (1.0,) * 7 + (4.0,)
"""Widths of the kernels in turn, as factors: wide ones see samples far from all data, which narrow ones do not."""


class MomentFeatures(nn.Module):
    """Maps images `[B, C, H, W]` in [-1, 1] to `[B, F, 2]`, cosines and sines of norm 1, float32.

    `pixel_width` is that of the Gaussian kernel on pixels in [0, 1], as a root mean square difference; `width` that of
    the kernel on scattering coefficients of norm 1. Both are public rules.
    """

    pixels: Tensor
    coefficients: Tensor

    def __init__(
        self, shape: tuple[int, int, int], count: int, pixel_width: float, width: float, orientations: int
    ) -> None:
        super().__init__()
        channels, height, image_width = shape
        self.scattering, self.count = Scattering(orientations), count
        maps = channels * (1 + 2 * orientations + orientations**2)
        inputs = maps * math.ceil(height / WINDOW) * math.ceil(image_width / WINDOW)
        numbers = math.prod(shape)
        rng = torch.Generator().manual_seed(FEATURES_SEED)
        self.register_buffer("pixels", _frequencies(numbers, count // 2, pixel_width * math.sqrt(numbers), rng))
        self.register_buffer("coefficients", _frequencies(inputs, count - count // 2, width, rng))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features; black images have scattering coefficients of 0."""
        x = (x + 1) / 2
        scattered = self.scattering(x).flatten(1).float()
        unit = scattered / scattered.norm(dim=1, keepdim=True).clamp(min=1e-6)
        phase = torch.cat([x.flatten(1) @ self.pixels, unit @ self.coefficients], 1).float()
        return torch.stack([phase.cos(), phase.sin()], -1) / math.sqrt(self.count)


def _frequencies(inputs: int, count: int, width: float, rng: torch.Generator) -> Tensor:
    """Return random frequencies `[inputs, count]` of a Gaussian kernel of this width."""
    frequencies = torch.empty(inputs, count)
    if frequencies.is_meta:  # as where memory is estimated
        return frequencies
    scales = torch.tensor(SCALES).repeat(-(-count // len(SCALES)))[:count]
    return frequencies.normal_(0, 1 / width, generator=rng) / scales

"""Fixed random features whose means identify a distribution: Fourier features of a normalised scattering transform.

phi(x) = [cos w x', sin w x'] / sqrt(F), w ~ N(0, I / width^2) (Rahimi and Recht 2007), of x' = S(x) / |S(x)|, the
scattering coefficients of an image. Of norm 1 for every x, by construction and not by the data; nothing is trained.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sparring.nets.scattering import WINDOW, Scattering

FEATURES_SEED = 5_021
"""Seed of the frequencies, which are public."""


class MomentFeatures(nn.Module):
    """Maps images `[B, C, H, W]` in [-1, 1] to `[B, F, 2]`, cosines and sines of norm 1, float32."""

    frequencies: Tensor

    def __init__(self, shape: tuple[int, int, int], count: int, width: float, orientations: int) -> None:
        super().__init__()
        channels, height, image_width = shape
        self.scattering = Scattering(orientations)
        maps = channels * (1 + 2 * orientations + orientations**2)
        inputs = maps * math.ceil(height / WINDOW) * math.ceil(image_width / WINDOW)
        rng = torch.Generator().manual_seed(FEATURES_SEED)
        frequencies = torch.empty(inputs, count)
        if not frequencies.is_meta:  # as where memory is estimated
            frequencies.normal_(0, 1 / width, generator=rng)
        self.register_buffer("frequencies", frequencies)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features; black images have scattering coefficients of 0."""
        coefficients = self.scattering((x + 1) / 2).flatten(1).float()
        unit = coefficients / coefficients.norm(dim=1, keepdim=True).clamp(min=1e-6)
        phase = (unit @ self.frequencies).float()
        return torch.stack([phase.cos(), phase.sin()], -1) / math.sqrt(self.frequencies.shape[1])

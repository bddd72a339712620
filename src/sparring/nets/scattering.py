"""Scattering transform: fixed wavelets, moduli and averages, a feature network without training (Mallat 2012).

Order 2, J = 2 scales and L orientations of Morlet wavelets (Bruna and Mallat 2013, arXiv:1203.1513). The coarse
wavelets are the fine ones on maps of half the side, as in a pyramid: a third of the cost. With L = 8 each channel of an
image gives 1 + 16 + 64 = 81 maps of a quarter of its side.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, pad

WINDOW = 4
"""Pixels of the averages: 2^J."""
SIGMA = 0.8
"""Width of a wavelet's envelope in pixels, along the wave."""
SLANT = 0.5
"""Ratio of that width to the one across the wave."""
FREQUENCY = 3 * math.pi / 4
"""Angle per pixel of the wave."""


class Scattering(nn.Module):
    """Maps images `[B, C, H, W]`, with sides of multiples of 4, to `[B, C K, H / 4, W / 4]`.

    K = 1 + 2 L + L^2 maps, in order: average, fine moduli, coarse moduli, coarse moduli of the fine ones. Translations
    of less than 4 pixels change them little.
    """

    psi: Tensor

    def __init__(self, orientations: int = 8) -> None:
        super().__init__()
        self.orientations = orientations
        self.register_buffer("psi", morlets(orientations), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the coefficients of `x`; sides that are no multiples of 4 are padded by their borders."""
        right, below = -x.shape[3] % WINDOW, -x.shape[2] % WINDOW
        x = pad(x, (0, right, 0, below), mode="replicate") if right or below else x
        batch, (height, width) = len(x), x.shape[2:]
        x = x.reshape(-1, 1, height, width)
        fine = self._modulus(x)
        halved = torch.cat([avg_pool2d(x, 2), avg_pool2d(fine, 2)], 1)
        coarse = self._modulus(halved.reshape(-1, 1, height // 2, width // 2))
        coarse = coarse.reshape(len(x), -1, height // 2, width // 2)
        maps = torch.cat([avg_pool2d(halved, 2), avg_pool2d(coarse, 2)], 1)
        return maps.reshape(batch, -1, height // WINDOW, width // WINDOW)

    def _modulus(self, x: Tensor) -> Tensor:
        """Return |x * psi| `[N, L, H, W]` of `x` `[N, 1, H, W]`."""
        filtered: Tensor = _Filter.apply(x, self.psi)  # type: ignore[no-untyped-call]
        real, imaginary = filtered.chunk(2, dim=1)
        return (real.square() + imaginary.square() + 1e-8).sqrt()


class _Filter(torch.autograd.Function):
    """Convolution of one channel with fixed kernels `[K, 1, k, k]`, k odd, that keeps the size.

    Its gradient is the convolution with the turned kernels: ten times faster on CPUs than what PyTorch chooses.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: Tensor) -> Tensor:
        ctx.save_for_backward(kernels)
        return conv2d(x, kernels, padding=kernels.shape[-1] // 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kernels,), (gradient,) = ctx.saved_tensors, gradients
        turned = kernels.flip(2, 3).transpose(0, 1).to(gradient.dtype)
        return conv2d(gradient, turned, padding=kernels.shape[-1] // 2), None


def morlets(orientations: int) -> Tensor:
    """Return Morlet wavelets `[2 L, 1, k, k]` at angles over half a turn: real parts, then imaginary ones."""
    radius = math.ceil(3 * SIGMA)
    axis = torch.arange(-radius, radius + 1, dtype=torch.float64)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    angles = math.pi * torch.arange(orientations, dtype=torch.float64)[:, None, None] / orientations
    along, across = x * angles.cos() + y * angles.sin(), y * angles.cos() - x * angles.sin()
    envelope = torch.exp(-(along**2 + (SLANT * across) ** 2) / (2 * SIGMA**2))
    envelope = envelope / envelope.sum((1, 2), keepdim=True)
    wave = torch.exp(1j * FREQUENCY * along)
    wavelets = envelope * (wave - (envelope * wave).sum((1, 2), keepdim=True))  # of mean 0
    return torch.cat([wavelets.real, wavelets.imag])[:, None].float()

"""Enlarge and reduce pictures by separable kernels, as matrices: a reduction's transpose is its exact adjoint.

Own code, since `torch.nn.functional.interpolate` has no Lanczos kernel, and a prior needs an operator with a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

Kernel = Callable[[Tensor], Tensor]
"""Distance in samples -> weight."""


def lanczos2(x: Tensor) -> Tensor:
    """Return Lanczos' window of two lobes, 0 beyond a distance of 2."""
    return torch.where(x.abs() < 2, torch.sinc(x) * torch.sinc(x / 2), 0.0)


def cubic(x: Tensor) -> Tensor:
    """Return Keys' cubic kernel with a = -0.5 (Keys 1981, Eq. 4), 0 beyond a distance of 2."""
    x = x.abs()
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


@lru_cache(maxsize=8)
def resampling_matrix(inputs: int, outputs: int, kernel: Kernel) -> Tensor:
    """Return the float32 matrix `[outputs, inputs]` that resamples a line of pixels. Its rows sum to 1.

    Pixels are areas, so that both lines cover the same length. A reduction stretches the kernel by its factor, and
    kernels that reach beyond the border are cut off there and normalised.
    """
    ratio = inputs / outputs
    centres = (torch.arange(outputs, dtype=torch.float64) + 0.5) * ratio - 0.5
    distance = torch.arange(inputs, dtype=torch.float64) - centres[:, None]
    weights = kernel(distance / max(ratio, 1.0))
    return (weights / weights.sum(1, keepdim=True)).float()


def resample(x: Tensor, height: int, width: int, kernel: Kernel) -> Tensor:
    """Resample pictures `[B, C, H, W]` to `height` x `width`."""
    rows, columns = (
        resampling_matrix(before, after, kernel).to(x)
        for before, after in zip(x.shape[2:], (height, width), strict=True)
    )
    return rows @ x @ columns.T


def reduce(x: Tensor, factor: int) -> Tensor:
    """Reduce pictures `[B, C, H, W]` by a whole factor with Lanczos' two lobes; H and W are multiples of it."""
    return resample(x, x.shape[2] // factor, x.shape[3] // factor, lanczos2)


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Enlarge pictures `[B, C, H, W]` by bicubic interpolation, the baseline of a restored enlargement."""
    return resample(x, x.shape[2] * factor, x.shape[3] * factor, cubic)


def padded(size: int, multiple: int) -> int:
    """Return the smallest multiple that is `size` or more."""
    return math.ceil(size / multiple) * multiple

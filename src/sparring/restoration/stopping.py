"""Rules that stop a fit without knowing the truth. Each is a number of a step whose minimum, or first pass, is kept.

Moving variance: Wang et al. 2021, arXiv:2112.06074 (ES-EMV). Held-out pixels: the error of predictions for pixels that
the fit does not see, unbiased for independent noise. SURE: Stein 1981.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

VARIANCE_RATE = 0.1
"""Weight of the newest output in the moving variance."""


def moving_moments(
    mean: Tensor, variance: Tensor, x: Tensor, where: Tensor, rate: float = VARIANCE_RATE
) -> tuple[Tensor, Tensor]:
    """Return the exponentially weighted mean of outputs `[1, C, H, W]` and the mean square distance to it, a scalar.

    Only pixels where the weights `[1, 1, H, W]` are 1 count. The recursion of West (1979) for weights (1 - rate)^k.
    """
    difference = (x - mean) * where
    square = difference.square().sum() / (where.sum() * x.shape[1]).clamp(min=1)
    return mean + rate * difference, (1 - rate) * (variance + rate * square)


def masked_error(x: Tensor, y: Tensor, where: Tensor) -> Tensor:
    """Return the mean square difference of `x` and `y` `[1, C, H, W]` where the weights `[1, 1, H, W]` are 1.

    It is 0 where there are none.
    """
    return ((x - y).square() * where).sum() / (where.sum() * x.shape[1]).clamp_min(1)


def sure(residual: Tensor, sigma: float, divergence: Tensor | float = 0.0) -> Tensor:
    """Return Stein's unbiased estimate of the mean square error of an estimate of n pixels in noise `sigma`.

    `residual` is the mean square difference to the noisy picture, `divergence` that of the estimate by the noisy
    picture, divided by n (Stein 1981, Theorem 1). It is 0 where no pixel is estimated from its own value.
    """
    return residual - sigma**2 + 2 * sigma**2 * divergence


class Minimum(nn.Module):
    """The smallest value of a rule so far, its step, and the output of that step. All are buffers."""

    value: Tensor
    step: Tensor
    output: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(torch.finfo(torch.float64).max, dtype=torch.float64))
        self.register_buffer("step", torch.tensor(0))
        self.register_buffer("output", torch.zeros(shape))

    @property
    def exists(self) -> bool:
        """True after the first update."""
        return bool(self.value < torch.finfo(torch.float64).max)

    @torch.no_grad()
    def update(self, step: int, value: Tensor, output: Tensor) -> None:
        """Keep `output` where `value` is smaller than all before."""
        if float(value) < float(self.value):
            self.value.copy_(value)
            self.step.fill_(step)
            self.output.copy_(output)

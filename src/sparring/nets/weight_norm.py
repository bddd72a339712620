"""Weight normalisation with a start that looks at data (Salimans and Kingma 2016, "Weight normalization").

A layer's weights are a direction and a length for each output; before the first step, lengths and biases are set so that
each output has mean 0 and variance 1 (or another that is asked for) over a batch of data (their section 3). Without that
start the discriminator of Improved GAN does not learn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, linear


class Normalised(nn.Module):
    """A linear map, or a convolution, with weights `scale * direction / |direction|` and a bias for each output.

    `trained` lengths move with the rest, others stay as data set them (as in the hidden layers of Improved GAN). `start` is
    the deviation that data give its outputs (None: data set nothing). `along` is the dimension of `direction` that counts outputs.
    """

    scale: Tensor

    def __init__(
        self,
        direction: Tensor,
        apply: Callable[[Tensor, Tensor, Tensor], Tensor],
        *,
        along: int = 0,
        trained: bool = False,
        start: float | None = 1.0,
    ) -> None:
        super().__init__()
        self.direction = nn.Parameter(direction)
        outputs = direction.shape[along]
        self.bias = nn.Parameter(torch.zeros(outputs))
        if trained:
            self.scale = nn.Parameter(torch.ones(outputs))
        else:
            self.register_buffer("scale", torch.ones(outputs))
        self._apply_weight, self._along, self.start = apply, along, start

    def forward(self, x: Tensor) -> Tensor:
        """Inputs as the map takes them -> `[B, outputs, ...]`."""
        shape = [-1 if k == self._along else 1 for k in range(self.direction.dim())]
        # torch's own, fused both ways: written out, what a round of Improved GAN spends outside its products doubles
        weight = torch._weight_norm(self.direction, self.scale.view(shape), self._along)
        return self._apply_weight(x, weight, self.bias)


def normalised_linear(inputs: int, outputs: int, *, trained: bool = False, start: float | None = 1.0) -> Normalised:
    """`[B, inputs]` -> `[B, outputs]`."""
    return Normalised(torch.randn(outputs, inputs) * 0.1, linear, trained=trained, start=start)


def normalised_conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, *, trained: bool = False,
    start: float | None = 1.0,
) -> Normalised:  # fmt: skip
    """`[B, inputs, H, W]` -> `[B, outputs, H', W']`."""
    direction = torch.randn(outputs, inputs, kernel, kernel) * 0.05
    return Normalised(direction, partial(conv2d, stride=stride, padding=padding), trained=trained, start=start)


def normalised_up(
    inputs: int, outputs: int, extra: tuple[int, int] = (0, 0), *, trained: bool = False, start: float | None = 1.0
) -> Normalised:
    """`[B, inputs, H, W]` -> `[B, outputs, 2H + extra, 2W + extra]`, by a transposed convolution of 4 x 4."""
    direction = torch.randn(inputs, outputs, 4, 4) * 0.05
    up = partial(conv_transpose2d, stride=2, padding=1, output_padding=extra)
    return Normalised(direction, up, along=1, trained=trained, start=start)


@torch.no_grad()
def start_on_data(net: nn.Module, *inputs: Tensor) -> None:
    """Set lengths and biases of all `Normalised` layers of `net`, in the order in which the `inputs` pass them.

    Afterwards each of their outputs has mean 0 and the deviation that its layer asks for, over these inputs (Salimans and
    Kingma 2016, Eq. 5 and 6); an output that is the same for all of them keeps its length.
    """

    def standardise(layer: nn.Module, given: Any, out: Tensor) -> Tensor:
        assert isinstance(layer, Normalised)
        if layer.start is None:
            return out
        around = [k for k in range(out.dim()) if k != 1]
        deviation, mean = torch.std_mean(out.float(), around, correction=0)
        factor = torch.where(deviation > 1e-6, layer.start / deviation.clamp_min(1e-6), 1)
        layer.scale.mul_(factor)
        layer.bias.copy_((layer.bias - mean) * factor)
        shape = [-1 if k == 1 else 1 for k in range(out.dim())]
        return (out - mean.view(shape)) * factor.view(shape)

    hooks = [layer.register_forward_hook(standardise) for layer in net.modules() if isinstance(layer, Normalised)]
    try:
        net(*inputs)
    finally:
        for hook in hooks:
            hook.remove()

"""Weight normalisation with data-dependent initialisation (Salimans and Kingma 2016, "Weight normalization").

Each output has a direction and a scale. Before the first step, scales and biases are set so that each output has mean 0
and a given standard deviation over a batch of data (section 3). The discriminator of Improved GAN does not learn
without it. Own code, since `torch.nn.utils.parametrizations.weight_norm` has no data-dependent initialisation and no
fixed scales.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, linear


class WeightNormalised(nn.Module):
    """A linear map or convolution with weights `scale * direction / |direction|` and a bias for each output.

    With `train_scale` the scales are parameters; otherwise they stay as data set them, as in the hidden layers of
    Improved GAN. `init_std` is the standard deviation of outputs after `data_dependent_init` (None: it leaves the layer
    unchanged). `output_dim` is the dimension of `direction` that counts outputs.
    """

    scale: Tensor

    def __init__(
        self,
        direction: Tensor,
        apply: Callable[[Tensor, Tensor, Tensor], Tensor],
        *,
        output_dim: int = 0,
        train_scale: bool = False,
        init_std: float | None = 1.0,
    ) -> None:
        super().__init__()
        self.direction = nn.Parameter(direction)
        outputs = direction.shape[output_dim]
        self.bias = nn.Parameter(torch.zeros(outputs))
        if train_scale:
            self.scale = nn.Parameter(torch.ones(outputs))
        else:
            self.register_buffer("scale", torch.ones(outputs))
        self._apply_weight, self._output_dim, self.init_std = apply, output_dim, init_std

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs to `[B, outputs, ...]`."""
        shape = [-1 if k == self._output_dim else 1 for k in range(self.direction.dim())]
        # torch's fused kernel: in plain operations the overhead of a round of Improved GAN outside its products doubles
        weight = torch._weight_norm(self.direction, self.scale.view(shape), self._output_dim)
        return self._apply_weight(x, weight, self.bias)


def normalised_linear(
    inputs: int, outputs: int, *, train_scale: bool = False, init_std: float | None = 1.0
) -> WeightNormalised:
    """Build a linear layer `[B, inputs]` -> `[B, outputs]`."""
    direction = torch.randn(outputs, inputs) * 0.1
    return WeightNormalised(direction, linear, train_scale=train_scale, init_std=init_std)


def normalised_conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, *, train_scale: bool = False,
    init_std: float | None = 1.0,
) -> WeightNormalised:  # fmt: skip
    """Build a convolution `[B, inputs, H, W]` -> `[B, outputs, H', W']`."""
    direction = torch.randn(outputs, inputs, kernel, kernel) * 0.05
    apply = partial(conv2d, stride=stride, padding=padding)
    return WeightNormalised(direction, apply, train_scale=train_scale, init_std=init_std)


def normalised_conv_transpose(
    inputs: int, outputs: int, output_padding: tuple[int, int] = (0, 0), *, train_scale: bool = False,
    init_std: float | None = 1.0,
) -> WeightNormalised:  # fmt: skip
    """Build a 4 x 4 transposed convolution `[B, inputs, H, W]` -> `[B, outputs, 2H + padding, 2W + padding]`."""
    direction = torch.randn(inputs, outputs, 4, 4) * 0.05
    apply = partial(conv_transpose2d, stride=2, padding=1, output_padding=output_padding)
    return WeightNormalised(direction, apply, output_dim=1, train_scale=train_scale, init_std=init_std)


@torch.no_grad()
def data_dependent_init(net: nn.Module, *inputs: Tensor) -> None:
    """Set scales and biases of all WeightNormalised layers of `net` from a forward pass of `inputs`.

    Afterwards each output has mean 0 and its layer's `init_std` over these inputs (Salimans and Kingma 2016, Eq. 5 and
    6). An output that is constant over them keeps its scale.
    """

    def standardise(layer: nn.Module, args: Any, out: Tensor) -> Tensor:
        assert isinstance(layer, WeightNormalised)
        if layer.init_std is None:
            return out
        reduced = [k for k in range(out.dim()) if k != 1]
        std, mean = torch.std_mean(out.float(), reduced, correction=0)
        factor = torch.where(std > 1e-6, layer.init_std / std.clamp_min(1e-6), 1)
        layer.scale.mul_(factor)
        layer.bias.copy_((layer.bias - mean) * factor)
        shape = [-1 if k == 1 else 1 for k in range(out.dim())]
        return (out - mean.view(shape)) * factor.view(shape)

    hooks = [layer.register_forward_hook(standardise) for layer in net.modules() if isinstance(layer, WeightNormalised)]
    try:
        net(*inputs)
    finally:
        for hook in hooks:
            hook.remove()

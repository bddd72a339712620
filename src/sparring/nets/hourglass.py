"""The hourglass network of the deep image prior, for any size that its depth divides (Ulyanov et al. 2018, Fig. 21)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sparring.nets.layers import Head

NEGATIVE_SLOPE = 0.2


class Hourglass(nn.Module):
    """Input `[1, F, H, W]` -> picture `[1, C, H, W]` in [0, 1]. H and W are multiples of `2 ** len(widths)`.

    Each scale halves the size by a strided convolution, and doubles it by bilinear interpolation; `skips` are the
    channels that a 1x1 convolution carries past it, 0 for none. Batch statistics of the one picture are part of the
    model: the network is only ever used in training mode. The last layer is computed in float32.
    """

    def __init__(self, inputs: int, channels: int, widths: Sequence[int], skips: Sequence[int]) -> None:
        super().__init__()
        if len(widths) != len(skips):
            raise ValueError(f"{len(widths)} widths for {len(skips)} skips")
        scale = None
        for number in reversed(range(len(widths))):
            before = widths[number - 1] if number else inputs
            after = widths[number - 1] if number else widths[0]
            scale = Scale(before, widths[number], skips[number], after, scale)
        assert scale is not None, "a network of no scales"
        self.scales = scale
        self.head = PixelHead(widths[0], channels)

    def forward(self, z: Tensor) -> Tensor:
        """Map the fixed input to the picture."""
        picture: Tensor = self.head(self.scales(z))
        return picture


class Scale(nn.Module):
    """One scale: halve, go through the `inner` scale, double, join the skip, convolve.

    It maps `[1, inputs, H, W]` to `[1, outputs, H, W]`. The last convolution, 1x1, brings the features to the number
    that the scale outside works with, before they are doubled in size: that costs half of doubling them first.
    """

    def __init__(self, inputs: int, width: int, skip: int, outputs: int, inner: nn.Module | None) -> None:
        super().__init__()
        down = [*_conv(inputs, width, 3, stride=2), *_conv(width, width, 3)]
        self.down = nn.Sequential(*down, *([] if inner is None else [inner]))
        self.skip = nn.Sequential(*_conv(inputs, skip, 1)) if skip else None
        self.up = nn.Sequential(_norm(skip + width), *_conv(skip + width, width, 3), *_conv(width, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map features to features of the same size."""
        h = interpolate(self.down(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        joined: Tensor = self.up(h if self.skip is None else torch.cat([self.skip(x), h], 1))
        return joined


class PixelHead(nn.Module):
    """A linear map of the features of each pixel and a sigmoid, in float32 even under autocast."""

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.linear = Head(features, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, F, H, W]` to `[B, C, H, W]` in [0, 1]."""
        return torch.sigmoid(self.linear(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution with reflected borders, batch normalisation and a leaky rectifier."""
    border: Literal["reflect", "zeros"] = "reflect" if kernel > 1 else "zeros"
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False, padding_mode=border),
        _norm(outputs),
        nn.LeakyReLU(NEGATIVE_SLOPE),
    ]


def _norm(features: int) -> nn.BatchNorm2d:
    """Return batch normalisation without running statistics: those of the one picture are part of the model."""
    return nn.BatchNorm2d(features, track_running_stats=False)

"""Small classifiers from the papers on adversarial training, one function a paper, for images of any size.

All have `features(x)` and `head(h)`, and none has batch statistics, so that an attack on one image does not depend on
others. Pixels in [-1, 1] are converted to the papers' [0, 1], where zero padding is black.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import dropout

from sparring.nets.encoder import Encoder
from sparring.nets.layers import Head
from sparring.nets.mlp import Maxout


class Conv(NamedTuple):
    """Settings of a convolution that is followed by a rectifier."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    pool: bool = False
    """Whether a 2x2 max pool follows."""


class Convolutional(nn.Module):
    """Images `[B, C, H, W]` in [-1, 1] -> logits `[B, classes]`: convolutions, then hidden layers, all with rectifiers.

    `dropout_rate` is that of the first hidden layer.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        convs: Sequence[Conv],
        hidden: Sequence[int],
        classes: int,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        for conv in convs:
            if min(height, width) + 2 * conv.padding < conv.kernel:  # the image is smaller than the kernel
                conv = conv._replace(kernel=3, stride=1, padding=1)
            layers += [nn.Conv2d(channels, conv.channels, conv.kernel, conv.stride, conv.padding), nn.ReLU()]
            height, width = ((side + 2 * conv.padding - conv.kernel) // conv.stride + 1 for side in (height, width))
            if conv.pool:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                height, width = -(-height // 2), -(-width // 2)
            channels = conv.channels
        layers.append(nn.Flatten())
        for before, after in zip([channels * height * width, *hidden], hidden, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
            if dropout_rate:
                layers.append(nn.Dropout(dropout_rate))
                dropout_rate = 0.0
        self.body = nn.Sequential(*layers)
        self.head = Head(hidden[-1], classes)

    def features(self, x: Tensor) -> Tensor:
        """Map images to the last hidden layer, `[B, hidden]`."""
        h: Tensor = self.body((x + 1) / 2)
        return h

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class MaxoutClassifier(nn.Module):
    """Images `[B, C, H, W]` -> logits by two layers of `hidden` maxout units (Goodfellow et al. 2013, section 5.1)."""

    def __init__(self, shape: tuple[int, int, int], hidden: int, classes: int, pieces: int = 5) -> None:
        super().__init__()
        self.first = Maxout(math.prod(shape), hidden, pieces)
        self.second = Maxout(hidden, hidden, pieces)
        self.head = Head(hidden, classes)
        for layer in (self.first.linear, self.second.linear, self.head):
            nn.init.uniform_(layer.weight, -0.05, 0.05)
            nn.init.zeros_(layer.bias)

    def features(self, x: Tensor) -> Tensor:
        """Map images to the second layer, `[B, hidden]`, with dropout of 0.2 on pixels and 0.5 on hidden units."""
        h = dropout((x.flatten(1) + 1) / 2, 0.2, self.training)
        h = dropout(self.first(h), 0.5, self.training)
        return dropout(self.second(h), 0.5, self.training)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


def maxout_mlp(shape: tuple[int, int, int], classes: int, width: int = 240) -> nn.Module:
    """Build an MLP of 240 maxout units per layer; the larger one has 1600 (Goodfellow et al. 2014, section 6)."""
    return MaxoutClassifier(shape, width, classes)


def madry_cnn(shape: tuple[int, int, int], classes: int, width: int = 32) -> nn.Module:
    """Build two 5x5 convolutions of 32 and 64 channels with pooling, and 1024 units (Madry et al. 2018, section 5)."""
    convs = [Conv(width, 5, padding=2, pool=True), Conv(2 * width, 5, padding=2, pool=True)]
    return Convolutional(shape, convs, [32 * width], classes)


def wong_cnn(shape: tuple[int, int, int], classes: int, width: int = 16) -> nn.Module:
    """Build two strided 4x4 convolutions of 16 and 32 channels, and 100 hidden units (Wong et al. 2020)."""
    convs = [Conv(width, 4, 2, 1), Conv(2 * width, 4, 2, 1)]
    return Convolutional(shape, convs, [max(100 * width // 16, 1)], classes)


def trades_cnn(shape: tuple[int, int, int], classes: int, width: int = 32) -> nn.Module:
    """Build four 3x3 convolutions of 32, 32, 64 and 64 channels and 200, 200 units (Zhang et al. 2019).

    Images of less than 16 pixels are padded, unlike in the paper.
    """
    pad = 0 if min(shape[1:]) >= 16 else 1
    convs = [Conv(width * k, 3, padding=pad, pool=last) for k in (1, 2) for last in (False, True)]
    hidden = max(200 * width // 32, 1)
    return Convolutional(shape, convs, [hidden, hidden], classes, dropout_rate=0.5)


def strided_cnn(shape: tuple[int, int, int], classes: int, width: int = 48) -> nn.Module:
    """Build strided convolutions down to 4 pixels with layer normalisation per pixel, for colour images."""
    return Encoder(shape, width, 8 * width, 128, classes)


NETS: dict[str, Callable[..., nn.Module]] = {
    "maxout": maxout_mlp, "madry": madry_cnn, "wong": wong_cnn, "trades": trades_cnn, "strided": strided_cnn,
}  # fmt: skip
"""Name -> function of (shape, classes, width). `width` is the number of units or channels of the first layer."""

"""The small networks that adversarial training is measured with: one function a paper, images of any size -> logits.

All of them are in two halves, `features(x)` and `head(h)`, and none holds batch statistics: an attack on one image does not
depend on the others. Pixels come in [-1, 1] and are brought to the papers' [0, 1], where padding with 0 is black.
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
    """A convolution with a rectifier after it."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    pool: bool = False
    """Halve the image after it, by the largest of four."""


class Convolutional(nn.Module):
    """Images `[B, C, H, W]` in [-1, 1] -> logits `[B, classes]`: convolutions, then hidden layers, all with rectifiers.

    `drop` is the share of the first hidden layer that dropout takes.
    """

    def __init__(
        self, shape: tuple[int, int, int], convs: Sequence[Conv], hidden: Sequence[int], classes: int, drop: float = 0.0
    ) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        for conv in convs:
            if min(height, width) + 2 * conv.padding < conv.kernel:  # hardly an image any more
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
            if drop:
                layers.append(nn.Dropout(drop))
                drop = 0.0
        self.body = nn.Sequential(*layers)
        self.head = Head(hidden[-1], classes)

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer, `[B, hidden]`."""
        h: Tensor = self.body((x + 1) / 2)
        return h

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class MaxoutClassifier(nn.Module):
    """Images -> logits by two layers of `hidden` maxout units with dropout (Goodfellow et al. 2013, section 5.1)."""

    def __init__(self, shape: tuple[int, int, int], hidden: int, classes: int, pieces: int = 5) -> None:
        super().__init__()
        self.first = Maxout(math.prod(shape), hidden, pieces)
        self.second = Maxout(hidden, hidden, pieces)
        self.head = Head(hidden, classes)
        for layer in (self.first.linear, self.second.linear, self.head):
            nn.init.uniform_(layer.weight, -0.05, 0.05)
            nn.init.zeros_(layer.bias)

    def features(self, x: Tensor) -> Tensor:
        """The second layer, `[B, hidden]`; dropout takes 0.2 of the pixels, and half of each layer."""
        h = dropout((x.flatten(1) + 1) / 2, 0.2, self.training)
        h = dropout(self.first(h), 0.5, self.training)
        return dropout(self.second(h), 0.5, self.training)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


def maxout(shape: tuple[int, int, int], classes: int, width: int = 240) -> nn.Module:
    """240 maxout units a layer, of 5 pieces each; 1600 where it was made larger (Goodfellow et al. 2014, section 6)."""
    return MaxoutClassifier(shape, width, classes)


def madry(shape: tuple[int, int, int], classes: int, width: int = 32) -> nn.Module:
    """Two convolutions of 5x5, 32 and 64 channels, each halved, and 1024 hidden units (Madry et al. 2018, section 5)."""
    convs = [Conv(width, 5, padding=2, pool=True), Conv(2 * width, 5, padding=2, pool=True)]
    return Convolutional(shape, convs, [32 * width], classes)


def wong(shape: tuple[int, int, int], classes: int, width: int = 16) -> nn.Module:
    """Two convolutions of 4x4 that halve the image, 16 and 32 channels, and 100 hidden units (Wong et al. 2020)."""
    convs = [Conv(width, 4, 2, 1), Conv(2 * width, 4, 2, 1)]
    return Convolutional(shape, convs, [max(100 * width // 16, 1)], classes)


def trades(shape: tuple[int, int, int], classes: int, width: int = 32) -> nn.Module:
    """Four convolutions of 3x3, 32, 32, 64, 64 channels, halved twice, and 200, 200 hidden units (Zhang et al. 2019).

    Small images are padded, which the paper's need not be.
    """
    pad = 0 if min(shape[1:]) >= 16 else 1
    convs = [Conv(width * k, 3, padding=pad, pool=last) for k in (1, 2) for last in (False, True)]
    hidden = max(200 * width // 32, 1)
    return Convolutional(shape, convs, [hidden, hidden], classes, drop=0.5)


def pyramid(shape: tuple[int, int, int], classes: int, width: int = 48) -> nn.Module:
    """The classifier of `sparring classify`: halved down to 4 pixels, with a normalisation per pixel, for colour images."""
    return Encoder(shape, width, 8 * width, 128, classes)


NETS: dict[str, Callable[..., nn.Module]] = {
    "maxout": maxout, "madry": madry, "wong": wong, "trades": trades, "pyramid": pyramid,
}  # fmt: skip
"""Name -> a function of shape, number of classes and, if wanted, `width`: units or channels of the first layer."""

"""A CNN classifier with two convolutions per resolution, a feature layer and a linear head."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import layer_norm, leaky_relu

from sparring.nets.layers import ChannelNorm, Head, halvings, he_init

SLOPE = 0.1
"""Negative slope of the leaky rectifiers."""


class CNNClassifier(nn.Module):
    """Images `[B, C, H, W]` in [-1, 1], of any size -> logits `[B, classes]`.

    It has `width` channels after the first convolution and twice as many after the second. Each further level doubles
    them, up to `max_channels`. Layer normalisation per pixel keeps each output independent of the rest of the batch.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, max_channels: int, features: int, classes: int) -> None:
        super().__init__()
        channels, height, image_width = shape
        sizes = halvings(height, image_width)
        levels = max(len(sizes) - 1, 1)
        stride = 2 if len(sizes) > 1 else 1
        level_channels = [min(2 * width << max(level - 1, 0), max_channels) for level in range(levels)]
        self.convolutions = nn.ModuleList()
        before = channels
        for level, count in enumerate(level_channels):
            first = width if level == 0 else count
            # this padding gives floor(side / 2), as `halvings` does; the last row of an odd side is ignored
            kernel, padding = (4, 1) if stride == 2 else (3, 1)
            self.convolutions.append(nn.Conv2d(before, first, kernel, stride, padding, bias=False))
            self.convolutions.append(nn.Conv2d(first, count, 3, 1, 1, bias=False))
            before = count
        self.norms = nn.ModuleList(ChannelNorm(conv.out_channels) for conv in self.convolutions)
        he_init(self, SLOPE)
        self.project = nn.Linear(before * sizes[-1][0] * sizes[-1][1], features)
        self.head = Head(features, classes)

    def features(self, x: Tensor) -> Tensor:
        """Map images to features `[B, features]`, which have unit variance within each image before the rectifier."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = leaky_relu(norm(convolution(x)), SLOPE)
        h = self.project(x.permute(0, 2, 3, 1).flatten(1))  # in channels_last order
        return leaky_relu(layer_norm(h.float(), h.shape[1:]), SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits

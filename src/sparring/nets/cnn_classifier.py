"""A classifier that looks twice at every size: a pyramid with two convolutions a level, then features, then a head."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import layer_norm, leaky_relu

from sparring.nets.layers import ChannelNorm, Head, halvings, he_start

SLOPE = 0.1


class CNNClassifier(nn.Module):
    """Images `[B, C, H, W]` in [-1, 1], of any size -> logits `[B, classes]`; `features` gives the `[B, features]` before.

    `width` channels after the first halving, twice as many up to the second level, doubled at each more up to `most`. Layer
    normalisation per pixel: no image's answer depends on its batch.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, most: int, features: int, classes: int) -> None:
        super().__init__()
        channels, height, wide = shape
        sizes = halvings(height, wide)
        levels = max(len(sizes) - 1, 1)
        stride = 2 if len(sizes) > 1 else 1
        outer = [min(2 * width << max(level - 1, 0), most) for level in range(levels)]
        self.convolutions = nn.ModuleList()
        before = channels
        for level, count in enumerate(outer):
            first = width if level == 0 else count
            # halved by a padding that makes floor(side / 2), as `halvings` counts: the last row of an odd side is left out
            kernel, padding = (4, 1) if stride == 2 else (3, 1)
            self.convolutions.append(nn.Conv2d(before, first, kernel, stride, padding, bias=False))
            self.convolutions.append(nn.Conv2d(first, count, 3, 1, 1, bias=False))
            before = count
        self.norms = nn.ModuleList(ChannelNorm(conv.out_channels) for conv in self.convolutions)
        he_start(self, SLOPE)
        self.project = nn.Linear(before * sizes[-1][0] * sizes[-1][1], features)
        self.head = Head(features, classes)

    def features(self, x: Tensor) -> Tensor:
        """What the head looks at; of unit variance within each image, before the rectifier."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = leaky_relu(norm(convolution(x)), SLOPE)
        h = self.project(x.permute(0, 2, 3, 1).flatten(1))  # as channels_last lies
        return leaky_relu(layer_norm(h.float(), h.shape[1:]), SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits

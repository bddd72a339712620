"""Pieces that several families of networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear


class Head(nn.Linear):
    """The last linear layer of a judge, in float32 whatever the precision around it: bf16 has 8 bits for a logit."""

    def forward(self, x: Tensor) -> Tensor:
        """Features `[B, F]` -> `[B, out]`, float32 (or float64 in, float64 out)."""
        kind = "cpu" if x.is_meta else x.device.type  # shapes are tried out on the meta device, which has no autocast
        with torch.autocast(kind, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of the channels at each pixel.

    Like batch normalisation it keeps signals alive through depth, but each image is by itself: samples depend on no
    batch, and several processes play the same game as one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]` -> the same, fastest in channels_last."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LabelEmbedding(nn.Embedding):
    """A vector for each class, and one more for -1, unlabelled; N(0, deviation^2) at the start."""

    def __init__(self, classes: int, features: int, deviation: float = 1.0) -> None:
        super().__init__(classes + 1, features)
        nn.init.normal_(self.weight, 0, deviation)

    def forward(self, y: Tensor) -> Tensor:
        """Labels int64 `[B]` -> `[B, features]`."""
        return super().forward(torch.where(y < 0, self.num_embeddings - 1, y))


class VectorEmbedding(nn.Module):
    """Features of numbers that are told with an image: linear ones, bent once.

    The numbers are standardised, by the mean and deviation of each in `conditions`: years and shares weigh the same. They
    are bent because what is linear in them cannot tell -a from a by how bright an image is.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, condition_stats: Sequence[tuple[float, float]], features: int) -> None:
        super().__init__()
        for name, values in zip(("mean", "deviation"), zip(*condition_stats, strict=True), strict=True):
            self.register_buffer(name, torch.tensor(values))
        self.weight = nn.Parameter(torch.randn(features, len(condition_stats)) / len(condition_stats) ** 0.5)
        self.bias = nn.Parameter(torch.randn(features))

    def forward(self, y: Tensor) -> Tensor:
        """Vectors `[B, K]` -> `[B, features]`, of about unit variance at the start."""
        return leaky_relu(linear((y - self.mean) / self.deviation, self.weight, self.bias), 0.2)


def halvings(height: int, width: int, smallest: int = 4) -> list[tuple[int, int]]:
    """Sizes from (height, width) down by halves, rounded down, as long as both sides stay at `smallest` or more.

    >>> halvings(28, 28)
    [(28, 28), (14, 14), (7, 7)]
    """
    sizes = [(height, width)]
    while min(height, width) // 2 >= smallest:
        height, width = height // 2, width // 2
        sizes.append((height, width))
    return sizes


def he_start(net: nn.Module, slope: float = 0.0) -> None:
    """Start convolutions so that signals keep their size through rectifiers of `slope` (He et al. 2015, Eq. 10 and 15)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, slope)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

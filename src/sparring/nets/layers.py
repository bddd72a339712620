"""Layers, initialisation and size rules that several families of networks share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear

Size = tuple[int, int]
"""Height and width in pixels."""


class Head(nn.Linear):
    """The last linear layer, computed in float32 even under autocast. bf16 would leave 8 bits for a logit."""

    def forward(self, x: Tensor) -> Tensor:
        """Map features `[B, F]` to `[B, out]`, in the precision of the weights (float32 or float64)."""
        device = "cpu" if x.is_meta else x.device.type  # the meta device has no autocast
        with torch.autocast(device, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel.

    Like batch normalisation it preserves the scale of activations, but each image is independent of its batch. So
    samples depend on no batch, and several processes play the same game as one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, C, H, W]` to the same shape. It is fastest in channels_last."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LabelEmbedding(nn.Embedding):
    """An embedding of each class and of -1 (unlabelled), initialised by N(0, std^2)."""

    def __init__(self, classes: int, features: int, std: float = 1.0) -> None:
        super().__init__(classes + 1, features)
        nn.init.normal_(self.weight, 0, std)

    def forward(self, y: Tensor) -> Tensor:
        """Map labels int64 `[B]` to `[B, features]`."""
        return super().forward(torch.where(y < 0, self.num_embeddings - 1, y))


class VectorEmbedding(nn.Module):
    """An embedding of vector labels: standardisation, a linear map and a leaky rectifier.

    `condition_stats` holds the mean and standard deviation of each number. The rectifier breaks symmetry: a linear
    embedding of -a would be the negated embedding of a.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, condition_stats: Sequence[tuple[float, float]], features: int) -> None:
        super().__init__()
        for name, values in zip(("mean", "std"), zip(*condition_stats, strict=True), strict=True):
            self.register_buffer(name, torch.tensor(values))
        self.weight = nn.Parameter(torch.randn(features, len(condition_stats)) / len(condition_stats) ** 0.5)
        self.bias = nn.Parameter(torch.randn(features))

    def forward(self, y: Tensor) -> Tensor:
        """Map vectors `[B, K]` to `[B, features]`, of about unit variance at initialisation."""
        return leaky_relu(linear((y - self.mean) / self.std, self.weight, self.bias), 0.2)


def conditional_logits(logits: Tensor, y: Tensor | None, embedding: VectorEmbedding | None) -> Tensor:
    """Return the logit `[B]` of each example: the column of its class, the last one without a label.

    With vector labels the others are projected on their embedding (Miyato and Koyama 2018, Eq. 3),
    and the last is added.
    """
    if y is None:
        return logits[:, -1]
    if embedding is not None:
        projected: Tensor = (logits[:, :-1] * embedding(y)).sum(1) / math.sqrt(logits.shape[1] - 1)
        return logits[:, -1] + projected
    return logits.gather(1, torch.where(y < 0, logits.shape[1] - 1, y)[:, None]).squeeze(1)


def halvings(height: int, width: int, min_side: int = 4) -> list[Size]:
    """Return the sizes from (height, width) down by repeated halving, rounded down, while both sides are >= `min_side`.

    >>> halvings(28, 28)
    [(28, 28), (14, 14), (7, 7)]
    """
    sizes = [(height, width)]
    while min(height, width) // 2 >= min_side:
        height, width = height // 2, width // 2
        sizes.append((height, width))
    return sizes


def he_init(net: nn.Module, slope: float = 0.0) -> None:
    """Initialise convolutions for leaky rectifiers of negative slope `slope` (He et al. 2015, Eq. 10 and 15)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, slope)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

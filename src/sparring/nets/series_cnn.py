"""A fully convolutional network for series (Wang, Yan and Oates 2017, "Time series classification from scratch")."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from sparring.nets.layers import Head

KERNELS = (7, 5, 3)
"""Lengths of the kernels of the three convolutions; published are 8, 5 and 3, but an even one shifts the series."""


class SeriesCNN(nn.Module):
    """Series `[B, C, T]` of any length T -> logits `[B, classes]`; `features` are averages over time, `[B, width]`.

    Three convolutions, each with the normalisation `norm`, of `width`, 2 `width` and `width` channels.
    """

    def __init__(
        self, channels: int, classes: int, width: int = 128, norm: Callable[[int], nn.Module] = nn.BatchNorm1d
    ) -> None:
        super().__init__()
        sides = [channels, width, 2 * width, width]
        layers = (
            nn.Sequential(nn.Conv1d(a, b, kernel, padding=kernel // 2, bias=False), norm(b), nn.ReLU())
            for (a, b), kernel in zip(pairwise(sides), KERNELS, strict=True)
        )
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.head = Head(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map series to logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits

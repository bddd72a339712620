"""Fully connected networks for table rows, given as images of one pixel with one channel per column."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.nets.layers import Head


class TabularClassifier(nn.Module):
    """Rows `[B, F, 1, 1]` -> logits `[B, classes]`; `features` maps rows to `[B, hidden]`.

    Layer normalisation within each row keeps each output independent of the batch.
    """

    def __init__(self, columns: int, classes: int, hidden: int = 128) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), *_layer(columns, hidden), *_layer(hidden, hidden))
        self.head = Head(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows to logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class Standardize(nn.Module):
    """Standardise each column by its mean and standard deviation in the rows `[N, F]` given to the constructor.

    A constant column becomes 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        std = rows.double().std(0, correction=0)
        self.register_buffer("mean", rows.double().mean(0).to(rows))
        self.register_buffer("std", torch.where(std > 0, std, 1.0).to(rows))

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `[B, F]` to standardised rows `[B, F]`."""
        return (x - self.mean) / self.std


class TabularGenerator(nn.Sequential):
    """Noise `[B, latent_dim]` -> standardised rows `[B, F, 1, 1]`, unbounded."""

    def __init__(self, columns: int, latent_dim: int, hidden: int = 128) -> None:
        layers = [*_layer(latent_dim, hidden), *_layer(hidden, hidden)]
        super().__init__(*layers, nn.Linear(hidden, columns), nn.Unflatten(1, (columns, 1, 1)))


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.LeakyReLU(0.1)]

"""Fully connected networks for table rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.nets.layers import Head


class TabularClassifier(nn.Module):
    """Rows `[B, F]` (or `[B, F, 1, 1]`) -> logits `[B, classes]`; `features` maps rows to `[B, hidden]`.

    With `standardize`, the first layer standardises the columns, once it is fitted. Layer normalisation within each row
    keeps each output independent of the batch. `dropout` is the fraction of hidden units that are dropped in training.
    """

    def __init__(
        self, columns: int, classes: int, hidden: int = 128, *, standardize: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        first = Standardize(columns) if standardize else nn.Flatten()
        layers = (*_layer(columns, hidden, dropout), *_layer(hidden, hidden, dropout))
        self.features = nn.Sequential(first, *layers)
        self.head = Head(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows to logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class Standardize(nn.Module):
    """Standardise each of `columns` columns; until `fit` it leaves rows as they are."""

    mean: Tensor
    std: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("std", torch.ones(columns))

    @torch.no_grad()
    def fit(self, rows: Tensor) -> None:
        """Take mean and standard deviation of each column of rows `[N, F]`; a constant column becomes 0."""
        std = rows.double().std(0, correction=0)
        self.mean.copy_(rows.double().mean(0))
        self.std.copy_(torch.where(std > 0, std, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `[B, F]` to standardised rows `[B, F]`."""
        return (x - self.mean) / self.std


class TabularGenerator(nn.Sequential):
    """Noise `[B, latent_dim]` -> standardised rows `[B, F, 1, 1]`, unbounded."""

    def __init__(self, columns: int, latent_dim: int, hidden: int = 128) -> None:
        layers = [*_layer(latent_dim, hidden), *_layer(hidden, hidden)]
        super().__init__(*layers, nn.Linear(hidden, columns), nn.Unflatten(1, (columns, 1, 1)))


def _layer(inputs: int, outputs: int, dropout: float = 0.0) -> list[nn.Module]:
    layers = [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.LeakyReLU(0.1)]
    return [*layers, nn.Dropout(dropout)] if dropout else layers

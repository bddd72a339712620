"""Fully connected networks for rows of a table, which are images of one pixel with a channel a column."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.nets.layers import Head


class TabularClassifier(nn.Module):
    """Rows `[B, F, 1, 1]` -> logits `[B, classes]`; `features` gives the `[B, hidden]` before.

    Layer normalisation within each row: no answer depends on the batch.
    """

    def __init__(self, columns: int, classes: int, hidden: int = 128) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), *_layer(columns, hidden), *_layer(hidden, hidden))
        self.head = Head(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class Standardize(nn.Module):
    """Each column to mean 0 and deviation 1, as they were in the rows `[N, F]` it is made with; one that never changed to 0."""

    middle: Tensor
    unit: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        deviation = rows.double().std(0, correction=0)
        self.register_buffer("middle", rows.double().mean(0).to(rows))
        self.register_buffer("unit", torch.where(deviation > 0, deviation, 1.0).to(rows))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return (x - self.middle) / self.unit


class TabularGenerator(nn.Sequential):
    """Noise `[B, latents]` -> rows `[B, F, 1, 1]`, standardised and so without bounds."""

    def __init__(self, columns: int, latent_dim: int, hidden: int = 128) -> None:
        layers = [*_layer(latent_dim, hidden), *_layer(hidden, hidden)]
        super().__init__(*layers, nn.Linear(hidden, columns), nn.Unflatten(1, (columns, 1, 1)))


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.LeakyReLU(0.1)]

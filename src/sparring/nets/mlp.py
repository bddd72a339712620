"""The fully connected networks of the first GAN (Goodfellow et al. 2014)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, relu

from sparring.nets.layers import Head


class Maxout(nn.Module):
    """A maxout layer: each output is the maximum of `pieces` linear functions (Goodfellow et al. 2013)."""

    def __init__(self, inputs: int, outputs: int, pieces: int = 5) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, inputs]` to `[B, outputs]`."""
        pieces: Tensor = self.linear(x)
        return pieces.view(len(x), self.linear.out_features // self.pieces, self.pieces).amax(2)


class Generator(nn.Module):
    """Noise `[B, latent_dim]` -> images `[B, C, H, W]` in [-1, 1], by two hidden layers with rectifiers."""

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, hidden: int, *, init: float = 0.05) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(
            [nn.Linear(latent_dim, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, math.prod(shape))]
        )
        _uniform(self, init)

    def forward(self, z: Tensor) -> Tensor:
        """Map noise to images."""
        first, second, last = self.layers
        image = last(relu(second(relu(first(z)))))
        return torch.tanh(image.float()).view(-1, *self.shape)


class Discriminator(nn.Module):
    """Images `[B, C, H, W]` -> logits `[B]`, by two maxout layers.

    `dropout` holds the rates of the input and inside.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        hidden: int,
        pieces: int,
        *,
        dropout: tuple[float, float] = (0.2, 0.5),
        init: float = 0.005,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.first = Maxout(math.prod(shape), hidden, pieces)
        self.second = Maxout(hidden, hidden, pieces)
        self.head = Head(hidden, 1)
        _uniform(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits, positive for real."""
        input_rate, hidden_rate = self.dropout
        h = dropout(x.flatten(1), input_rate, self.training)
        h = dropout(self.first(h), hidden_rate, self.training)
        h = dropout(self.second(h), hidden_rate, self.training)
        logits: Tensor = self.head(h)
        return logits.squeeze(1)


def _uniform(net: nn.Module, bound: float) -> None:
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)

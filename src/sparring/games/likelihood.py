"""Maximum likelihood: the loss of density networks, and the values that they see."""

from __future__ import annotations

import math

from torch import Tensor, nn

from sparring.engine.game import Batch
from sparring.games.single_player import Loss


def binarise(x: Tensor, u: Tensor) -> Tensor:
    """Return -1 or 1 for each value: 1 with probability (x + 1) / 2, by uniform noise `u` in [0, 1) of the same shape.

    Values of -1 and 1 stay what they are. Fresh noise in each batch is dynamic binarisation (Salakhutdinov and Murray
    2008).
    """
    return ((x + 1) / 2 > u).to(x.dtype) * 2 - 1


def observed(batch: Batch, *, binary: bool) -> Tensor:
    """Return the examples of a batch as a density network sees them."""
    return binarise(batch.x, batch.uniform(*batch.x.shape[1:])) if binary else batch.x


def negative_log_likelihood(net: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
    """Return the mean of -log p(x) per dimension, in nats."""
    log_prob: Tensor = net.log_prob(x, y)  # type: ignore[operator]
    return -log_prob.mean() / math.prod(x.shape[1:])


def dequantised_loss(*, binary: bool, conditional: bool) -> Loss:
    """Return the loss of a flow of discrete data: its bound of -log p per dimension, by noise of the batch."""

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        x, noise = observed(batch, binary=binary), batch.normal(*net.noise_shape)  # type: ignore[misc]
        bound: Tensor = net.bound(x, noise, batch.y if conditional else None)  # type: ignore[operator]
        return -bound.mean() / net.latent_dim  # type: ignore[operator]

    return loss


def likelihood_loss(*, binary: bool, conditional: bool) -> Loss:
    """Return the loss of a density network: -log p(x), or -log p(x | y), per dimension."""

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        return negative_log_likelihood(net, observed(batch, binary=binary), batch.y if conditional else None)

    return loss

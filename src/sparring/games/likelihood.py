"""Maximum likelihood: the loss of density networks, and the values that they see."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch
from sparring.games.single_player import Loss


def binarise(x: Tensor, u: Tensor) -> Tensor:
    """Return -1 or 1 for each value: 1 with probability (x + 1) / 2, by uniform noise `u` in [0, 1) of the same shape.

    Values of -1 and 1 stay what they are. Fresh noise in each batch is dynamic binarisation (Salakhutdinov and Murray
    2008).
    """
    return ((x + 1) / 2 > u).to(x.dtype) * 2 - 1


def mutate(x: Tensor, u: Tensor, v: Tensor, rate: float, levels: int) -> Tensor:
    """Replace a proportion `rate` of values by ones at random, by uniform noise `u` and `v` of the same shape.

    A model of such examples knows what all images have in common, and not what is in them (Ren et al. 2019,
    arXiv:1906.02845, section 3.1). There are `levels` values from -1 to 1.
    """
    return torch.where(u < rate, (v * levels).floor() * (2 / (levels - 1)) - 1, x)


def observed(batch: Batch, *, binary: bool, mutation: float = 0.0) -> Tensor:
    """Return the examples of a batch as a density network sees them, a proportion `mutation` of values at random."""
    shape = batch.x.shape[1:]
    x = binarise(batch.x, batch.uniform(*shape)) if binary else batch.x
    if not mutation:
        return x
    return mutate(x, batch.uniform(*shape), batch.uniform(*shape), mutation, 2 if binary else 256)


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


def likelihood_loss(*, binary: bool, conditional: bool, mutation: float = 0.0) -> Loss:
    """Return the loss of a density network: -log p(x), or -log p(x | y), per dimension; `mutation` as of `observed`."""

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        x = observed(batch, binary=binary, mutation=mutation)
        return negative_log_likelihood(net, x, batch.y if conditional else None)

    return loss

"""Gradient penalties of discriminators, twice differentiable, and orthogonal regularisation of generators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sparring.engine.precision import at_least_float32
from sparring.engine.schedules import constant


def input_gradient(logits: Tensor, x: Tensor) -> Tensor:
    """Return d logits / d x `[B, ...]`, float32, with a graph. Each logit may depend on its own row of `x` only."""
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return at_least_float32(gradient)


def squared_norm(gradient: Tensor) -> Tensor:
    """Return |grad|^2 of each row, `[B]`, twice R1 or R2 (Mescheder et al. 2018, Eq. 9 and 10)."""
    return gradient.flatten(1).square().sum(1)


def unit_norm_deviation(gradient: Tensor) -> Tensor:
    """Return (|grad| - 1)^2 of each row, `[B]` (Gulrajani et al. 2017, Eq. 3). At |grad| = 0 its gradient is 0."""
    square = squared_norm(gradient)
    norm = torch.where(square > 0, square, 1).sqrt() * (square > 0)
    return (norm - 1).square()


def interpolate(real: Tensor, fake: Tensor, fraction: Tensor) -> Tensor:
    """Return fraction * real + (1 - fraction) * fake, `fraction` `[B]` (Gulrajani et al. 2017, Algorithm 1)."""
    fraction = fraction.view(-1, *[1] * (real.dim() - 1))
    return fraction * real + (1 - fraction) * fake


Weight = Callable[[float], float | Tensor]
"""A schedule or a controller: `at` in [0, 1] -> value."""


@dataclass(frozen=True)
class Penalty:
    """A weighted mean of a function of the input gradient."""

    location: Literal["real", "fake", "interpolated"]
    """Inputs at which the gradient is taken."""
    function: Callable[[Tensor], Tensor]
    """Function from input gradients `[B, ...]` to a penalty for each row, `[B]`."""
    weight: Weight
    """Weight over the run."""
    interval: int = 1
    """Number of rounds between uses, by which the weight is multiplied (Karras et al. 2020, "lazy regularization")."""

    def due(self, step: int) -> bool:
        """Return True if the penalty is used in round `step`."""
        return step % self.interval == 0

    def __call__(self, gradient: Tensor, at: float) -> Tensor:
        """Return the scalar to add to the loss."""
        return self.function(gradient).mean() * (self.weight(at) * self.interval)


def r1(gamma: float | Weight, interval: int = 1) -> Penalty:
    """Build R1: gamma / 2 * E |grad D(x)|^2 at real data (Mescheder et al. 2018, Eq. 9)."""
    return Penalty("real", squared_norm, _half(gamma), interval)


def r2(gamma: float | Weight, interval: int = 1) -> Penalty:
    """Build R2: gamma / 2 * E |grad D(G(z))|^2 at generated data (Mescheder et al. 2018, Eq. 10)."""
    return Penalty("fake", squared_norm, _half(gamma), interval)


def wgan_gp(weight: float = 10.0, interval: int = 1) -> Penalty:
    """Build weight * E (|grad D| - 1)^2 between real and generated data (Gulrajani et al. 2017, Eq. 3)."""
    return Penalty("interpolated", unit_norm_deviation, constant(weight), interval)


def orthogonality(net: nn.Module, weight: float = 1e-4) -> Tensor:
    """Return weight * sum over the matrices W of `net` of |W W^T o (1 - I)|^2, a scalar (Brock et al. 2019, Eq. 3).

    It makes the rows of W, one per output channel, orthogonal, of any length. A convolution's weight `[out, in, h, w]`
    is read as `[out, in h w]`. Weights are those before spectral normalisation; embeddings are left out. It is in
    float32.
    """
    embeddings = {id(p) for module in net.modules() if isinstance(module, nn.Embedding) for p in module.parameters()}
    matrices = [_matrix(p) for p in net.parameters() if p.dim() > 1 and id(p) not in embeddings]
    with torch.autocast(matrices[0].device.type, enabled=False):
        grams = [matrix @ matrix.t() for matrix in matrices]
        return weight * torch.stack([(gram - gram.diagonal().diag()).square().sum() for gram in grams]).sum()


def _matrix(weight: Tensor) -> Tensor:
    """Reshape a weight to `[out, rest]`, in channels_last order, which needs no copy and keeps W W^T."""
    return (weight.movedim(1, -1) if weight.dim() > 2 else weight).flatten(1)


def _half(gamma: float | Weight) -> Weight:
    return (lambda at: gamma(at) / 2) if callable(gamma) else constant(gamma / 2)

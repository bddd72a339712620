"""What players pay besides: D for steep logits, by its input gradient, twice differentiable; G for rows that are alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sparring.engine.schedules import constant


def input_gradient(logits: Tensor, x: Tensor) -> Tensor:
    """D logits / d x, float32, `[B, ...]`, with a graph of its own; each logit may depend on its own row alone."""
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32))


def squared_norm(gradient: Tensor) -> Tensor:
    """|grad|^2 of each row, `[B]`: R1 at real data (Mescheder et al. 2018, Eq. 9), R2 at generated (Eq. 10), both / 2."""
    return gradient.flatten(1).square().sum(1)


def off_unit_norm(gradient: Tensor) -> Tensor:
    """(|grad| - 1)^2 of each row, `[B]` (Gulrajani et al. 2017, Eq. 3); finite, with gradient 0, at |grad| = 0."""
    square = squared_norm(gradient)
    norm = torch.where(square > 0, square, 1).sqrt() * (square > 0)
    return (norm - 1).square()


def between(real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Points on the lines from fake to real, `share` `[B]` of the way (Gulrajani et al. 2017, Algorithm 1)."""
    share = share.view(-1, *[1] * (real.dim() - 1))
    return share * real + (1 - share) * fake


Weight = Callable[[float], float | Tensor]
"""A schedule, or what moves by itself: `at` in [0, 1] -> value."""


@dataclass(frozen=True)
class Penalty:
    """A weighted mean of a function of the input gradient, at one kind of place."""

    where: Literal["real", "fake", "between"]
    """Where the gradient is taken."""
    of: Callable[[Tensor], Tensor]
    """Input gradients `[B, ...]` -> what each row pays, `[B]`."""
    weight: Weight
    """Over the run."""
    interval: int = 1
    """Every so many rounds, then that many times as strong (Karras et al. 2020, "lazy regularization")."""

    def due(self, step: int) -> bool:
        """True in the rounds in which it is paid."""
        return step % self.interval == 0

    def __call__(self, gradient: Tensor, at: float) -> Tensor:
        """The scalar to add to the loss."""
        return self.of(gradient).mean() * (self.weight(at) * self.interval)


def r1(gamma: float | Weight, interval: int = 1) -> Penalty:
    """Gamma / 2 * E |grad D(x)|^2 at real data (Mescheder et al. 2018, Eq. 9)."""
    return Penalty("real", squared_norm, _half(gamma), interval)


def r2(gamma: float | Weight, interval: int = 1) -> Penalty:
    """Gamma / 2 * E |grad D(G(z))|^2 at generated data (Mescheder et al. 2018, Eq. 10)."""
    return Penalty("fake", squared_norm, _half(gamma), interval)


def wgan_gp(weight: float = 10.0, interval: int = 1) -> Penalty:
    """Weight * E (|grad D| - 1)^2 between real and generated data (Gulrajani et al. 2017, Eq. 3)."""
    return Penalty("between", off_unit_norm, constant(weight), interval)


def orthogonality(net: nn.Module, weight: float = 1e-4) -> Tensor:
    """Weight * sum over the matrices W of `net` of |W W^T o (1 - I)|^2 (Brock et al. 2019, Eq. 3), a scalar.

    Rows, one for each output channel, should be orthogonal; how long they are is left free. A convolution's weight
    `[out, in, h, w]` is read as `[out, in h w]`; weights are taken as they are learned, before spectral normalisation;
    embeddings are left out. In float32, as a loss is.
    """
    embedded = {id(p) for module in net.modules() if isinstance(module, nn.Embedding) for p in module.parameters()}
    matrices = [_rows(p) for p in net.parameters() if p.dim() > 1 and id(p) not in embedded]
    with torch.autocast(matrices[0].device.type, enabled=False):
        grams = [matrix @ matrix.t() for matrix in matrices]
        return weight * torch.stack([(gram - gram.diagonal().diag()).square().sum() for gram in grams]).sum()


def _rows(weight: Tensor) -> Tensor:
    """As a matrix `[out, rest]`, in the order in which channels_last lies: rows keep their products, nothing is copied."""
    return (weight.movedim(1, -1) if weight.dim() > 2 else weight).flatten(1)


def _half(gamma: float | Weight) -> Weight:
    return (lambda at: gamma(at) / 2) if callable(gamma) else constant(gamma / 2)

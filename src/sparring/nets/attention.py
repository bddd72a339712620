"""Self-attention between the positions of an image (Zhang et al. 2018, SAGAN)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

LEAST, USUAL, MOST = 64, 256, 1024
"""Positions of a level at which attention pays: its cost grows with their square."""


class SelfAttention(nn.Module):
    """x + gamma * v(sum_i beta_ji h(x_i)), beta_ji = softmax over i of f(x_i)^T g(x_j) (Eq. 1 to 4).

    f, g, h are 1x1 convolutions to an eighth of the channels, v is one back; gamma starts at 0, so that the layer
    begins as the identity and local structure is learned first. The positions i that are looked at are maxima of f and
    h over `pool` x `pool` neighbours, as in the authors' published networks: with 2, at a quarter of the cost; 1 is Eq. 2.
    """

    def __init__(self, channels: int, pool: int = 2) -> None:
        super().__init__()
        self.pool = pool
        inner = max(channels // 8, 1)
        self.f, self.g, self.h = (nn.Conv2d(channels, inner, 1, bias=False) for _ in range(3))
        self.v = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]` -> the same."""
        pool = min(self.pool, *x.shape[2:])
        g = self.g(x).flatten(2)
        f, h = (max_pool2d(conv(x), pool).flatten(2) for conv in (self.f, self.h))
        beta = (g.transpose(1, 2) @ f).softmax(2).to(h.dtype)  # [B, j, i]
        seen = (h @ beta.transpose(1, 2)).unflatten(2, x.shape[2:])
        out: Tensor = x + self.gamma * self.v(seen)
        return out


def attention_size(sizes: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The one of these sizes nearest to 16x16 positions, None where none has from 64 to 1,024.

    >>> attention_size([(64, 64), (32, 32), (16, 16), (8, 8)])
    (16, 16)
    """
    fit = [size for size in sizes if LEAST <= math.prod(size) <= MOST]
    return min(fit, key=lambda size: abs(math.log(math.prod(size) / USUAL)), default=None)

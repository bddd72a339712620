"""Self-attention over the positions of an image (SAGAN, Zhang et al. 2018)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

MIN_POSITIONS, BEST_POSITIONS, MAX_POSITIONS = 64, 256, 1024
"""Positions (height x width) of a level that attention is useful for. Its cost grows with their square."""


class SelfAttention(nn.Module):
    """x + gamma * v(sum_i beta_ji h(x_i)), beta_ji = softmax over i of f(x_i)^T g(x_j) (Eq. 1 to 4).

    f, g and h are 1x1 convolutions to an eighth of the channels, v maps back. gamma starts at 0, so that the layer
    starts as the identity. f and h are max-pooled over `pool` x `pool` positions, as in the authors' code: a pool of 2
    costs a quarter of Eq. 2, which has a pool of 1.
    """

    def __init__(self, channels: int, pool: int = 2) -> None:
        super().__init__()
        self.pool = pool
        inner = max(channels // 8, 1)
        self.f, self.g, self.h = (nn.Conv2d(channels, inner, 1, bias=False) for _ in range(3))
        self.v = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, C, H, W]` to the same shape."""
        pool = min(self.pool, *x.shape[2:])
        g = self.g(x).flatten(2)
        f, h = (max_pool2d(conv(x), pool).flatten(2) for conv in (self.f, self.h))
        beta = (g.transpose(1, 2) @ f).softmax(2).to(h.dtype)  # [B, j, i]
        attended = (h @ beta.transpose(1, 2)).unflatten(2, x.shape[2:])
        out: Tensor = x + self.gamma * self.v(attended)
        return out


def attention_size(sizes: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the size with the number of positions nearest to 16x16; None if none has 64 to 1,024.

    >>> attention_size([(64, 64), (32, 32), (16, 16), (8, 8)])
    (16, 16)
    """
    fit = [size for size in sizes if MIN_POSITIONS <= math.prod(size) <= MAX_POSITIONS]
    return min(fit, key=lambda size: abs(math.log(math.prod(size) / BEST_POSITIONS)), default=None)

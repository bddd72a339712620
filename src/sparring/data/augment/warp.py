"""Moving pictures: affine maps of the plane as matrices, composed first and executed once; pure functions.

Maps act on pixel coordinates (x to the right, y down) around the image's centre, so that a turn is a turn on images
that are not square too. `warp` takes the inverse map: where each pixel of the result comes from.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def affine(a: Tensor, b: Tensor, c: Tensor, d: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Numbers `[B]` -> matrices `[B, 3, 3]` with the rows (a, b, x), (c, d, y), (0, 0, 1)."""
    zero = torch.zeros_like(a)
    return torch.stack([a, b, x, c, d, y, zero, zero, zero + 1], 1).view(-1, 3, 3)


def scale(x: Tensor, y: Tensor) -> Tensor:
    """Stretching by `x` and `y` `[B]`; a negative one flips."""
    zero = torch.zeros_like(x)
    return affine(x, zero, zero, y, zero, zero)


def shift(x: Tensor, y: Tensor) -> Tensor:
    """Move by `x` pixels to the right and `y` down, `[B]`."""
    zero = torch.zeros_like(x)
    return affine(zero + 1, zero, zero, zero + 1, x, y)


def turn(angle: Tensor) -> Tensor:
    """Turn clockwise by `angle` `[B]` in radians."""
    zero, cos, sin = torch.zeros_like(angle), angle.cos(), angle.sin()
    return affine(cos, -sin, sin, cos, zero, zero)


def quarter_turns(count: Tensor) -> Tensor:
    """Turn clockwise by `count` `[B]` right angles: `turn` without its rounding errors."""
    return turn(count * (torch.pi / 2)).round()


def warp(x: Tensor, inverse: Tensor) -> Tensor:
    """`x` `[B, C, H, W]` read at `inverse` `[B, 3, 3]` of each pixel's place: bilinear, reflected beyond the borders.

    Linear in `x`, and differentiable in it as often as one likes.
    """
    height, width = x.shape[2:]
    pixels, units = _row(x, width / 2, height / 2, 1.0), _row(x, 2 / width, 2 / height)
    grid = affine_grid(units[:, None] * inverse[:, :2] * pixels, list(x.shape), align_corners=False)
    return grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _row(like: Tensor, *numbers: float) -> Tensor:
    """`numbers` where `like` is, and made there: a copy from the CPU cannot be part of a CUDA graph."""
    return torch.cat([like.new_full((1,), number) for number in numbers])


def window(x: Tensor, right: Tensor, down: Tensor, hidden: Tensor) -> Tensor:
    """Move `x` `[B, C, H, W]` by whole pixels (int64 `[B]`); 0 outside the source, and where `hidden` `[B, H, W]`."""
    batch, channels, height, width = x.shape
    rows = torch.arange(height, device=x.device) - down[:, None]
    columns = torch.arange(width, device=x.device) - right[:, None]
    inside = within(rows, height)[:, :, None] & within(columns, width)[:, None, :]
    source = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    read = x.flatten(2).gather(2, source.view(batch, 1, -1).expand(-1, channels, -1))
    return read.view(x.shape) * (inside & ~hidden)[:, None].to(x.dtype)


def within(index: Tensor, size: int) -> Tensor:
    """Return True where 0 <= index < size."""
    return (index >= 0) & (index < size)

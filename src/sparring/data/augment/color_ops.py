"""Colouring pictures: affine maps of the colours, one for each image; pure functions.

A colour is its part along the grey axis (luma) and the rest (chroma). All maps here act on the two by a factor each,
and turn the chroma about the axis (hue): three numbers, which multiply where maps follow each other.
"""

from __future__ import annotations

import torch
from torch import Tensor


def tint(x: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Colours of `x` `[B, C, H, W]` mapped by `matrix` `[B, C, C]`, plus `offset` `[B]` in all channels."""
    return torch.baddbmm(offset.view(-1, 1, 1), matrix, x.flatten(2)).view(x.shape)


def colour_matrix(luma: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """`[B, 3, 3]`: colours times `luma` (may be negative), chroma times |luma| * `saturation`, turned by `hue` radians.

    All `[B]`. At (1, 1, 0) it is exactly the identity.
    """
    grey = luma.new_full((3, 3), 1 / 3)
    eye = torch.eye(3, dtype=luma.dtype, device=luma.device)
    across = luma.new_tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5  # the cross product with the grey axis
    chroma = luma.abs() * saturation
    luma, straight, aside = (n.view(-1, 1, 1) for n in (luma - 1, chroma * hue.cos() - 1, chroma * hue.sin()))
    return eye + luma * grey + straight * (eye - grey) + aside * across


def grey_matrix(factor: Tensor, channels: int) -> Tensor:
    """`[B, C, C]`: each channel times `factor` `[B]`."""
    return factor.view(-1, 1, 1) * torch.eye(channels, dtype=factor.dtype, device=factor.device)

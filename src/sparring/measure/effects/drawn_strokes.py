"""A renderer of strokes whose handles are known: on it the hit rate must be 1."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.measure.effects.directions import WHOLE, Direction
from sparring.measure.effects.latents import Latents

HANDLES = ("centre x", "centre y", "slant", "stroke width", "stroke length", "darkness")
"""Readings that the first coordinates of the latent set."""


def draw(latents: Latents, side: int = 28) -> Tensor:
    """Draw one stroke for each latent: pictures `[N, 1, side, side]` in [-1, 1], white on black.

    Coordinates of the noise `[N, d]` are those of HANDLES; the others and the labels change nothing.
    """
    z = latents.z[:, : len(HANDLES), None, None].double()
    x, y, lean = 0.1 * z[:, 0], 0.1 * z[:, 1], 0.15 * z[:, 2]
    width, length = 0.25 * torch.exp(0.2 * z[:, 3]), 1.1 * torch.exp(0.2 * z[:, 4])
    darkness = 0.8 + 0.06 * z[:, 5]
    pixels = (torch.arange(side, dtype=torch.float64) * 2 + 1) / side - 1
    across, down = pixels[None, None, :] - x, pixels[None, :, None] - y
    root = (1 + lean.square()).sqrt()
    along, beside = (down - lean * across) / root, (across + lean * down) / root
    inside = [((half / 2 - distance.abs()) * side / 2 + 0.5).clamp(0, 1) for half, distance in
              ((length, along), (width, beside))]  # fmt: skip
    return (inside[0] * inside[1] * darkness * 2 - 1)[:, None].float()


def known_directions(latent_dim: int) -> list[Direction]:
    """Return the handles of the renderer: the first coordinates of the latent."""
    return [Direction(WHOLE, unit) for unit in torch.eye(latent_dim)[: len(HANDLES)]]

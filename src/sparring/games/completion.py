"""Training of networks that complete partly known images: random masks, and the likelihood of what they hide."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch
from sparring.games.likelihood import observed
from sparring.games.single_player import Loss

MASK_UNIFORMS = 6
"""Uniform numbers that a mask takes."""


def random_masks(u: Tensor, height: int, width: int) -> Tensor:
    """Return masks of known pixels, bool `[B, 1, H, W]`, from uniform numbers `[B, MASK_UNIFORMS]`.

    Half of them know nothing. A quarter know all but a rectangle, and a quarter a rectangle alone. Rectangles may cross
    the border, so halves and stripes are among them.
    """
    top, bottom = (1.5 * u[:, :2] - 0.25).sort(1).values.T[..., None, None]
    left, right = (1.5 * u[:, 2:4] - 0.25).sort(1).values.T[..., None, None]
    y = ((torch.arange(height, device=u.device) + 0.5) / height)[:, None]
    x = (torch.arange(width, device=u.device) + 0.5) / width
    inside = (y > top) & (y < bottom) & (x > left) & (x < right)
    swapped, nothing = u[:, 4, None, None] < 0.5, u[:, 5, None, None] < 0.5
    known: Tensor = (inside ^ swapped) & ~nothing
    return known[:, None]


def completion_loss(*, binary: bool, conditional: bool) -> Loss:
    """Return the loss -log P(unknown | known, y) of a network with `log_prob_of_hole`, per unknown value, in nats."""

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        x = observed(batch, binary=binary)
        known = random_masks(batch.uniform(MASK_UNIFORMS), *x.shape[2:])
        model: Any = net
        log_prob: Tensor = model.log_prob_of_hole(x, known, batch.y if conditional else None)
        return -log_prob.sum() / (~known).sum().clamp(min=1) / x.shape[1]

    return loss

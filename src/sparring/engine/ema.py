"""Exponential moving average of a network's weights, with a half-life in images.

Own code, since `torch.optim.swa_utils.AveragedModel` has no half-life that ramps up and copies buffers instead of
averaging them.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from sparring.engine.game import Schedule


class EMA:
    """Exponential moving average of `source`, updated from image 0 on.

    The half-life is `min(half_life(at), ramp * nimg)` images, so that the initial weights are forgotten early (Karras
    et al. 2020, StyleGAN2-ADA). Floating-point buffers (batch statistics) are averaged too; integer buffers are copied.
    """

    def __init__(self, net: nn.Module, half_life: Schedule, ramp: float = 0.05) -> None:
        self.source = net
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.half_life = half_life
        self.ramp = ramp

    @torch.no_grad()
    def update(self, nimg: int, batch_size: int, at: float) -> None:
        """Move the average towards the source after a round of `batch_size` images that ended at image `nimg`."""
        half_life = max(min(self.half_life(at), self.ramp * nimg), 1e-8)
        weight = 1 - 0.5 ** (batch_size / half_life)
        pairs = list(zip(_tensors(self.net), _tensors(self.source), strict=True))
        floats = [(a, b) for a, b in pairs if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], weight)
        for a, b in pairs:
            if not a.is_floating_point():
                a.copy_(b)

    def reset(self) -> None:
        """Set the average to the source's current weights."""
        self.net.load_state_dict(self.source.state_dict())


def _tensors(net: nn.Module) -> list[Tensor]:
    return [*net.parameters(), *net.buffers()]

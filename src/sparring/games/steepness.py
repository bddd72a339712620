"""A penalty's weight that nobody has to choose: it moves so that the discriminator stays as steep as it should be."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sparring.engine import dist
from sparring.engine.game import Schedule, Stats
from sparring.engine.schedules import constant
from sparring.games.penalties import squared_norm


class HeldSteepness(nn.Module):
    """Gamma for R1 and R2 that holds D's steepness.

    That is the number of logits by which D changes over the distance of two real images,

        S = (E |grad D|^2 * E |x - x'|^2)^(1/2)

    with the gradients at real and generated images and x, x' two images of the data. S has no unit: it does not change
    with the images' size, their contrast or their number of channels, as gamma has to. Where D is steeper than `held`
    gamma rises, where it is flatter gamma falls, by a factor of e in `images` images at most, and within a factor of
    `reach` of where it began. A penalty of fixed weight flattens D as the generator becomes better; held, gamma falls
    instead, as the published schedules do (Huang et al. 2024, appendix: to a tenth).
    """

    log_gamma: Tensor
    distance: Tensor
    steepness: Tensor

    def __init__(self, gamma: float, held: float | Schedule, images: int = 5_000, reach: float = 100.0) -> None:
        super().__init__()
        self.held = held if callable(held) else constant(held)
        self.images, self.start, self.reach = images, math.log(gamma), math.log(reach)
        self.register_buffer("log_gamma", torch.tensor(self.start))
        self.register_buffer("distance", torch.tensor(0.0))  # E |x - x'|^2, a running mean
        self.register_buffer("steepness", torch.tensor(0.0))  # S at the latest turn

    def forward(self, at: float) -> Tensor:
        """Gamma now, whatever `at`."""
        return self.log_gamma.exp()

    @torch.no_grad()
    def observe(self, x: Tensor, gradients: Iterable[Tensor], at: float) -> None:
        """Move by real images `[B, ...]` and D's input gradients, `[B, ...]` at each kind of place."""
        apart = 2 * x.float().flatten(1).var(0, correction=0).sum() * len(x) / max(len(x) - 1, 1)
        self.distance.copy_(torch.where(self.distance > 0, self.distance.lerp(apart, 0.01), apart))
        square = torch.stack([squared_norm(gradient).mean() for gradient in gradients]).mean()
        self.steepness.copy_((square * self.distance).sqrt())
        off = (self.steepness.clamp_min(1e-8).log() - math.log(self.held(at))).clamp(-1, 1)
        moved = self.log_gamma + off * (len(x) * dist.world_size() / self.images)
        self.log_gamma.copy_(moved.clamp(self.start - self.reach, self.start + self.reach))

    def told(self) -> Stats:
        """`gamma` and `steepness`."""
        return {"gamma": self.log_gamma.exp(), "steepness": self.steepness.clone()}

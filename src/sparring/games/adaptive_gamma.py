"""A penalty's weight that nobody has to choose: it moves so that the discriminator stays as steep as it should be."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sparring.engine import dist
from sparring.engine.game import Stats
from sparring.games.penalties import squared_norm


class AdaptiveGamma(nn.Module):
    """Gamma for R1 and R2 that holds D's steepness.

        S = (E |grad D|^2)^(1/2) * E |x - x'|^2

    is what is held, with the gradients at real and generated images, and x, x' two images of the data. Where D is
    steeper than `held` gamma rises, where it is flatter gamma falls, by a factor of e in `images` images at most, and
    within a factor of `reach` of where it began.

    The distance counts squared: with the slope times the plain distance, the logits between two images, held alike, the
    best gammas of small images and of large ones cannot both be met. Squared they can, and so can the published ones:
    S asks for gamma in proportion to the square of the number of values in an image, which from Huang et al.'s 0.05 at
    32x32 leads to 0.8 at 64x64 (they take 2) and 205 at 256x256 (150). A penalty of fixed weight flattens D as the
    generator becomes better; held, gamma falls instead, as the published schedules do.
    """

    log_gamma: Tensor
    distance: Tensor
    steepness: Tensor

    def __init__(self, gamma: float, held: float, images: int = 20_000, reach: float = 100.0) -> None:
        super().__init__()
        self.held, self.images, self.start, self.reach = held, images, math.log(gamma), math.log(reach)
        self.register_buffer("log_gamma", torch.tensor(self.start))
        self.register_buffer("distance", torch.tensor(0.0))  # E |x - x'|^2, a running mean
        self.register_buffer("steepness", torch.tensor(0.0))  # S at the latest turn

    def forward(self, at: float) -> Tensor:
        """Gamma now, whatever `at`."""
        return self.log_gamma.exp()

    @torch.no_grad()
    def observe(self, x: Tensor, gradients: Iterable[Tensor]) -> None:
        """Move by real images `[B, ...]` and D's input gradients, `[B, ...]` at each kind of place."""
        apart = 2 * x.float().flatten(1).var(0, correction=0).sum() * len(x) / max(len(x) - 1, 1)
        self.distance.copy_(torch.where(self.distance > 0, self.distance.lerp(apart, 0.01), apart))
        square = torch.stack([squared_norm(gradient).mean() for gradient in gradients]).mean()
        self.steepness.copy_(square.sqrt() * self.distance)
        off = (self.steepness.clamp_min(1e-8).log() - math.log(self.held)).clamp(-1, 1)
        moved = self.log_gamma + off * (len(x) * dist.world_size() / self.images)
        self.log_gamma.copy_(moved.clamp(self.start - self.reach, self.start + self.reach))

    def stats(self) -> Stats:
        """`gamma` and `steepness`."""
        return {"gamma": self.log_gamma.exp(), "steepness": self.steepness.clone()}

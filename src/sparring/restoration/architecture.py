"""Networks, inputs and ways of fitting by task and size, small enough for two CPU cores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring.engine.seeds import mix
from sparring.restoration.fill import hole_radius
from sparring.restoration.resample import padded
from sparring.restoration.task import Task

MIN_INNER_SIDE = 4
"""Smallest side of the innermost scale, in pixels."""
WIDE_HOLE_RADIUS = 12
"""Distance to the next known pixel from which a hole is filled by depth, without skips."""


@dataclass(frozen=True)
class Architecture:
    """An hourglass network, its input and what it predicts."""

    widths: tuple[int, ...] = (16, 32, 64, 64, 64)
    """Channels of each scale."""
    skip: int = 4
    """Channels of each skip; 0 for none."""
    noise_channels: int = 4
    """Channels of fixed uniform noise in the input."""
    views: str = "none"
    """What the network sees of the picture: `holes`, `pixels`, `start` or `none` (`restoration.views`)."""
    residual: bool = False
    """Whether the network predicts the difference to what it sees, and begins at 0."""
    input_noise: float = 0.0
    """Standard deviation of the disturbance of the noise channels in each step."""
    lr: float = 0.01
    """Learning rate of Adam."""
    coarse: float = 0.5
    """Steps at half the size, before, as a multiple of those at full size. Each costs a quarter."""
    average_rate: float = 0.01
    """Weight of the newest prediction of a pixel in its average."""

    @property
    def multiple(self) -> int:
        """Number that height and width of the input are multiples of."""
        return 1 << len(self.widths)

    def shrunk(self, side: int) -> Architecture:
        """Return the network with as many scales as a picture of this smaller side allows."""
        scales = max(min((side // MIN_INNER_SIDE).bit_length() - 1, len(self.widths)), 1)
        return replace(self, widths=self.widths[:scales])


ARCHITECTURES = {
    "thin": Architecture(noise_channels=0, views="holes", residual=True, lr=0.001),
    "wide": Architecture((16, 32, 64, 128, 128, 128), skip=0, noise_channels=32, coarse=3.0),
    "noise": Architecture(views="pixels", average_rate=0.05),
    "scale": Architecture(views="start", residual=True, noise_channels=8, input_noise=1 / 30),
    "jpeg": Architecture(views="pixels", average_rate=0.05),
}
"""By task; of masks, by the width of the holes."""


def architecture_for(task: Task) -> Architecture:
    """Return how a task is fitted; small pictures have fewer scales."""
    kind = task.kind
    if kind == "mask":
        kind = "wide" if hole_radius(task.known()) >= WIDE_HOLE_RADIUS else "thin"
    return ARCHITECTURES[kind].shrunk(min(task.size))


def input_size(task: Task, architecture: Architecture) -> tuple[int, int]:
    """Return the height and width of the network's input: the picture's, rounded up to what the network needs."""
    height, width = task.size
    return padded(height, architecture.multiple), padded(width, architecture.multiple)


def fixed_noise(task: Task, architecture: Architecture, seed: int, coarse: Task | None = None) -> Tensor:
    """Return the fixed noise of the input `[1, noise_channels, H', W']`, uniform from 0 to 0.1.

    With a `coarse` task it is the noise of that one, enlarged, so that a network that was fitted there goes on.
    """
    generator = torch.Generator().manual_seed(mix(seed, 3))
    height, width = input_size(task, architecture)
    size = (height, width) if coarse is None else input_size(coarse, architecture)
    noise = torch.rand(1, architecture.noise_channels, *size, generator=generator) / 10
    if coarse is not None and noise.shape[1]:
        noise = interpolate(noise, scale_factor=2.0, mode="bilinear", align_corners=False)
    return noise[..., :height, :width] if noise.shape[1] else noise.new_zeros(1, 0, height, width)

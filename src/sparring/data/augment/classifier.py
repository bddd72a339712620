"""Changes after which a person would still say that an image shows the same: a classifier with few labels uses them.

Unlike `data/augment/gan.py`, which hides nothing from a discriminator for good, these need no gradient and are never
undone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from sparring.data.augment.color_ops import grey_matrix, tint
from sparring.data.augment.warp import affine, scale, shift, turn, warp
from sparring.engine.game import Batch

PEN = 1 / 28, 3 / 28
"""How wide strokes are, as shares of the image's side: as a handwritten digit's."""


@dataclass(frozen=True)
class Augmentation:
    """Turns, stretches, slants, moves and relights each image, cuts out a box and draws in a line.

    Each change has a size drawn evenly.
    """

    turn: float = 0.0
    """Degrees at most, either way."""
    stretch: float = 0.0
    """Of each side: by a factor of exp(-stretch) to exp(stretch)."""
    slant: float = 0.0
    """Horizontal shear: pixels to the side for each pixel down."""
    move: float = 0.0
    """Share of each side, at most."""
    light: float = 0.0
    """Contrast by 1 - light to 1 + light about the image's mean, brightness by half of that."""
    cut: float = 0.0
    """Largest side of the box that is cut out, as a share of the image's; what is cut takes the image's darkest
    value."""
    stroke: float = 0.0
    """Longest line that is drawn in, as a share of the image's side, in its brightest or darkest value: the one that
    stands out."""
    jitter: float = 0.0
    """Deviation of the noise added to rows of a table (standardised, as images of one pixel): they know no other
    change."""

    def times(self, factor: float) -> Augmentation:
        """Return the same kinds of change, `factor` times as strong."""
        return Augmentation(*(getattr(self, name) * factor for name in self.__dataclass_fields__))

    def __call__(self, x: Tensor, batch: Batch) -> Tensor:
        """Return images `[B, C, H, W]` changed by the noise of `batch`; a batch of one row changes all alike."""
        if x.shape[2:] == (1, 1):
            return x.float() + self.jitter * batch.normal(*x.shape[1:])
        u = (batch.uniform(8) * 2 - 1).expand(len(x), -1)
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            if self.turn or self.stretch or self.slant or self.move:
                x = self._moved(x, u)
            if self.light:
                x = self._lit(x, u)
            if self.cut:
                x = self._cut(x, batch.uniform(4).expand(len(x), -1))
            return self._stroked(x, batch.uniform(5).expand(len(x), -1)) if self.stroke else x

    def _moved(self, x: Tensor, u: Tensor) -> Tensor:
        height, width = x.shape[2:]
        one = torch.ones_like(u[:, 0])
        steps = (
            shift(u[:, 0] * (self.move * width), u[:, 1] * (self.move * height)),
            turn(u[:, 2] * math.radians(self.turn)),
            affine(one, u[:, 3] * self.slant, 0 * one, one, 0 * one, 0 * one),
            scale((u[:, 4] * self.stretch).exp(), (u[:, 5] * self.stretch).exp()),
        )
        return warp(x, reduce(torch.matmul, steps)).contiguous(memory_format=torch.channels_last)

    def _lit(self, x: Tensor, u: Tensor) -> Tensor:
        contrast, brightness = 1 + u[:, 6] * self.light, u[:, 7] * (self.light / 2)
        about = (1 - contrast) * x.mean((1, 2, 3)) + brightness
        return tint(x, grey_matrix(contrast, x.shape[1]), about).clamp(-1, 1)

    def _cut(self, x: Tensor, u: Tensor) -> Tensor:
        strips = []
        for k, side in enumerate(x.shape[2:]):
            box = (u[:, k] * (self.cut * side)).long()
            place = torch.arange(side, device=x.device) - ((u[:, 2 + k] * side).long() - box // 2)[:, None]
            strips.append((place >= 0) & (place < box[:, None]))
        hidden = (strips[0][:, :, None] & strips[1][:, None, :])[:, None]
        return torch.where(hidden, x.amin((1, 2, 3), keepdim=True), x)

    def _stroked(self, x: Tensor, u: Tensor) -> Tensor:
        height, width = x.shape[2:]
        side = math.sqrt(height * width)
        length, angle = u[:, 2] * (self.stroke * side), u[:, 3] * math.pi
        thickness = side * (PEN[0] + u[:, 4] * (PEN[1] - PEN[0]))
        down = (torch.arange(height, device=x.device) + 0.5 - u[:, :1] * height)[:, :, None]
        right = (torch.arange(width, device=x.device) + 0.5 - u[:, 1:2] * width)[:, None, :]
        cos, sin, half, thick = (one[:, None, None] for one in (angle.cos(), angle.sin(), length / 2, thickness / 2))
        beyond = ((right * cos + down * sin).abs() - half).clamp_min(0)  # of the line's ends, in pixels
        away = torch.hypot(beyond, down * cos - right * sin)
        ink = (thick + 0.5 - away).clamp(0, 1) * (half >= 0.5)  # shorter than a pixel: nothing; narrower: fainter
        bright, dark, mean = (f((1, 2, 3), keepdim=True) for f in (x.amax, x.amin, x.mean))
        return torch.lerp(x, torch.where(bright - mean >= mean - dark, bright, dark), ink[:, None])

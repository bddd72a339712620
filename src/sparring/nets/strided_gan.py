"""Two mirrored pyramids of strided convolutions, for any height, width and channel count, with or without labels.

Labels are classes or vectors. The discriminator has no normalisation, and both look at each image by itself, as
penalties on its gradient ask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, relu

from sparring.nets.layers import ChannelNorm, Head, LabelEmbedding, VectorEmbedding, halvings, he_start

SLOPE = 0.2
"""Of the discriminator's leaky rectifiers."""
TOLD = 32
"""Features of a vector that the discriminator sees an image by."""


def widths_of(levels: int, width: int, most: int) -> list[int]:
    """Channels from the level nearest the image downwards: doubled at each, up to `most`."""
    return [min(width << level, most) for level in range(levels)]


class Generator(nn.Module):
    """Noise `[B, latents]` (and labels `[B]`, or vectors `[B, K]`) -> images `[B, C, H, W]` in [-1, 1].

    Each level sketches the image at its own size, the next upsamples the sketch and adds to it (Karras et al. 2020,
    "Analyzing and improving the image quality of StyleGAN", section 4.1): shades and colours are learnt long before the
    details, with no checkerboard of the transposed convolutions in them.

    `conditions` are the mean and deviation of each of the vectors' numbers; where there are such, there are no `classes`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        latent_dim: int,
        width: int,
        most: int,
        classes: int = 0,
        condition_stats: Sequence[tuple[float, float]] = (),
    ) -> None:
        super().__init__()
        channels, height, wide = shape
        self.sizes = halvings(height, wide)[::-1]
        widths = widths_of(max(len(self.sizes) - 1, 1), width, most)[::-1]
        self.embedding: nn.Module | None = LabelEmbedding(classes, latent_dim) if classes else None
        if condition_stats:
            self.embedding = VectorEmbedding(condition_stats, latent_dim)
        self.base = (widths[0], *self.sizes[0])
        inputs = latent_dim * 2 if self.embedding is not None else latent_dim
        self.project = nn.Linear(inputs, math.prod(self.base), bias=False)
        self.norms = nn.ModuleList(ChannelNorm(count) for count in widths)
        self.sketches = nn.ModuleList(nn.Conv2d(count, channels, 1, bias=False) for count in widths)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, 2, 1, (size[0] % 2, size[1] % 2), bias=after == channels)
            for before, after, size in zip(widths, [*widths[1:], channels], self.sizes[1:], strict=False)
        )
        if not self.ups:  # too small to be halved
            self.ups.append(nn.Conv2d(widths[0], channels, 3, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(module.weight, 0, 0.02)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images out of noise."""
        if self.embedding is not None and y is not None:
            z = torch.cat([z, self.embedding(y)], 1)
        h = self.project(z).view(-1, *self.base).contiguous(memory_format=torch.channels_last)
        image = h.new_zeros(())
        for norm, sketch, up in zip(self.norms, self.sketches, self.ups, strict=True):
            h = relu(norm(h))
            image = image + sketch(h)
            h = up(h)
            image = interpolate(image, h.shape[2:], mode="bilinear")
        return torch.tanh((image + h).float())


class Discriminator(nn.Module):
    """Images `[B, C, H, W]` (and labels `[B]`, or vectors `[B, K]`) -> logits `[B]`; `conditions` as in the generator.

    Of an image of class k they are the k-th of its linear heads; with a vector they are one more, and the projection of
    the vector's embedding on the features (Miyato and Koyama 2018, "cGANs with projection discriminator", Eq. 5).
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int,
        most: int,
        classes: int = 0,
        condition_stats: Sequence[tuple[float, float]] = (),
    ) -> None:
        super().__init__()
        channels, height, wide = shape
        sizes = halvings(height, wide)
        widths = [channels, *widths_of(max(len(sizes) - 1, 1), width, most)]
        self.downs = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 4, 2, 1) if len(sizes) > 1 else nn.Conv2d(inputs, outputs, 3, 1, 1)
            for inputs, outputs in zip(widths, widths[1:], strict=False)
        )
        he_start(self.downs, SLOPE)  # with torch's own start signals shrink, and D begins too flat
        self.feature_count = widths[-1] * sizes[-1][0] * sizes[-1][1]
        self.embedding = VectorEmbedding(condition_stats, TOLD) if condition_stats else None
        self.head = Head(self.feature_count, (TOLD if condition_stats else classes) + 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits, positive for real."""
        return self.judge(self.features(x), y)

    def features(self, x: Tensor) -> Tensor:
        """What the logits are made of, `[B, feature_count]`."""
        h = x
        for down in self.downs:
            h = leaky_relu(down(h), SLOPE)
        return h.permute(0, 2, 3, 1).flatten(1)  # as channels_last lies: no copy, forth or back

    def judge(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits out of features."""
        logits: Tensor = self.head(h)
        if y is None:
            return logits[:, -1]
        if self.embedding is not None:
            told: Tensor = self.embedding(y)
            return logits[:, -1] + (logits[:, :-1] * told).sum(1) / math.sqrt(TOLD)
        return logits.gather(1, torch.where(y < 0, logits.shape[1] - 1, y)[:, None]).squeeze(1)

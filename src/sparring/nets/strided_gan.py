"""A generator and discriminator of strided convolutions, for any image size, with or without labels.

Labels are classes or vectors. The discriminator has no normalisation, and no output depends on other images of the
batch, as gradient penalties require.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, relu

from sparring.nets.layers import (
    ChannelNorm,
    Head,
    LabelEmbedding,
    VectorEmbedding,
    conditional_logits,
    halvings,
    he_init,
)

SLOPE = 0.2
"""Negative slope of the discriminator's leaky rectifiers."""
BRANCH_SCALE = 0.1
"""Factor on He's initialisation of the last convolution of the discriminator's residual blocks."""
CONDITION_FEATURES = 32
"""Size of the discriminator's embedding of vector labels."""


def level_widths(levels: int, width: int, max_channels: int) -> list[int]:
    """Return the channels of each level, from the finest: `width`, doubled at each level up to `max_channels`."""
    return [min(width << level, max_channels) for level in range(levels)]


class ResidualBlock(nn.Module):
    """Features `[B, C, H, W]` -> the same shape: x plus two 3x3 convolutions of x, each after a rectifier.

    `normalised` is the generator's: layer normalisation between the convolutions, and a rectifier without a slope. The
    discriminator's has no normalisation. Its last convolution starts small, so that the scale of features is kept.
    """

    def __init__(self, channels: int, *, normalised: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1, bias=not normalised)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=not normalised)
        self.norm = ChannelNorm(channels) if normalised else None
        if not normalised:
            he_init(self, SLOPE)
            with torch.no_grad():
                self.second.weight.mul_(BRANCH_SCALE)

    def forward(self, x: Tensor) -> Tensor:
        """Map features to features."""
        if self.norm is not None:
            branch: Tensor = self.second(relu(self.norm(self.first(relu(x)))))
        else:
            branch = self.second(leaky_relu(self.first(leaky_relu(x, SLOPE)), SLOPE))
        return x + branch


def residual_blocks(widths: Sequence[int], blocks: int, *, normalised: bool) -> nn.ModuleList:
    """Return `blocks` residual blocks in sequence for each number of channels."""
    return nn.ModuleList(
        nn.Sequential(*(ResidualBlock(channels, normalised=normalised) for _ in range(blocks))) for channels in widths
    )


class Generator(nn.Module):
    """Noise `[B, latent_dim]` (and labels `[B]`, or vectors `[B, K]`) -> images `[B, C, H, W]` in [-1, 1].

    Each level adds an image at its own size to the upsampled image of the level before (skip connections of Karras et
    al. 2020, "Analyzing and improving the image quality of StyleGAN", section 4.1). So shades and colours are learned
    long before details. After a short training the transposed convolutions show as a checkerboard.

    Each level begins with `blocks` residual blocks. `condition_stats` holds mean and standard deviation of each number
    of vector labels; it excludes `classes`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        latent_dim: int,
        width: int,
        max_channels: int,
        classes: int = 0,
        condition_stats: Sequence[tuple[float, float]] = (),
        blocks: int = 0,
    ) -> None:
        super().__init__()
        channels, height, image_width = shape
        self.sizes = halvings(height, image_width)[::-1]
        widths = level_widths(max(len(self.sizes) - 1, 1), width, max_channels)[::-1]
        self.embedding: nn.Module | None = LabelEmbedding(classes, latent_dim) if classes else None
        if condition_stats:
            self.embedding = VectorEmbedding(condition_stats, latent_dim)
        self.base = (widths[0], *self.sizes[0])
        inputs = latent_dim * 2 if self.embedding is not None else latent_dim
        self.project = nn.Linear(inputs, math.prod(self.base), bias=False)
        self.blocks = residual_blocks(widths, blocks, normalised=True)
        self.norms = nn.ModuleList(ChannelNorm(count) for count in widths)
        self.to_image = nn.ModuleList(nn.Conv2d(count, channels, 1, bias=False) for count in widths)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, 2, 1, (size[0] % 2, size[1] % 2), bias=after == channels)
            for before, after, size in zip(widths, [*widths[1:], channels], self.sizes[1:], strict=False)
        )
        if not self.ups:  # the image is too small to be halved
            self.ups.append(nn.Conv2d(widths[0], channels, 3, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(module.weight, 0, 0.02)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise (and labels) to images."""
        if self.embedding is not None and y is not None:
            z = torch.cat([z, self.embedding(y)], 1)
        h = self.project(z).view(-1, *self.base).contiguous(memory_format=torch.channels_last)
        image = h.new_zeros(())
        for block, norm, to_image, up in zip(self.blocks, self.norms, self.to_image, self.ups, strict=True):
            h = relu(norm(block(h)))
            image = image + to_image(h)
            h = up(h)
            image = interpolate(image, h.shape[2:], mode="bilinear")
        return torch.tanh((image + h).float())


class Discriminator(nn.Module):
    """Images `[B, C, H, W]` (and labels `[B]`, or vectors `[B, K]`) -> logits `[B]`.

    `blocks` residual blocks follow each strided convolution. `condition_stats` is as in the generator.

    The logit of an image of class k is the k-th output of the head; unlabelled images use the last one. With vectors it
    is the last output plus the projection of the vector's embedding (Miyato and Koyama 2018, "cGANs with projection
    discriminator", Eq. 5).
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int,
        max_channels: int,
        classes: int = 0,
        condition_stats: Sequence[tuple[float, float]] = (),
        blocks: int = 0,
    ) -> None:
        super().__init__()
        channels, height, image_width = shape
        sizes = halvings(height, image_width)
        widths = [channels, *level_widths(max(len(sizes) - 1, 1), width, max_channels)]
        self.downs = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 4, 2, 1) if len(sizes) > 1 else nn.Conv2d(inputs, outputs, 3, 1, 1)
            for inputs, outputs in zip(widths, widths[1:], strict=False)
        )
        he_init(self.downs, SLOPE)  # with torch's default initialisation signals shrink, and the initial D is too flat
        self.blocks = residual_blocks(widths[1:], blocks, normalised=False)
        self.feature_count = widths[-1] * sizes[-1][0] * sizes[-1][1]
        self.embedding = VectorEmbedding(condition_stats, CONDITION_FEATURES) if condition_stats else None
        self.head = Head(self.feature_count, (CONDITION_FEATURES if condition_stats else classes) + 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Map images (and labels) to logits, positive for real."""
        return self.logits(self.features(x), y)

    def features(self, x: Tensor) -> Tensor:
        """Map images to features `[B, feature_count]`."""
        h = x
        for down, block in zip(self.downs, self.blocks, strict=True):
            h = leaky_relu(block(down(h)), SLOPE)
        return h.permute(0, 2, 3, 1).flatten(1)  # in channels_last order, without a copy in either direction

    def logits(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Map features (and labels) to logits `[B]`."""
        logits: Tensor = self.head(h)
        return conditional_logits(logits, y, self.embedding)


class StridedClassifier(nn.Module):
    """Images `[B, C, H, W]` -> logits `[B, outputs]`: the layers of the discriminator, and a head."""

    def __init__(self, shape: tuple[int, int, int], width: int, max_channels: int, outputs: int) -> None:
        super().__init__()
        self.layers = Discriminator(shape, width, max_channels)
        self.layers.head = Head(self.layers.feature_count, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits, float32."""
        logits: Tensor = self.layers.head(self.layers.features(x))
        return logits

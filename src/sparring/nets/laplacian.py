"""The Laplacian pyramid, and the networks of LAPGAN that work on it level by level (Denton et al. 2015).

Levels count as in the paper: 0 is the image in full, the last level is the coarsest. A level is an image I_k and its
low-pass image l_k = u(I_{k+1}), the level below upsampled; their difference is the band h_k (Eq. 2), of which the
image can be built again (Eq. 3). Below the coarsest level there is nothing: its l is zero, and its h the image itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, dropout, interpolate, leaky_relu, relu

from sparring.nets import mlp
from sparring.nets.layers import Head, LabelEmbedding, he_start

Size = tuple[int, int]

PIECES = 5
"""Of a maxout unit in the coarsest discriminator."""
COARSE_INIT = 0.1, 0.02
"""Widths of the uniform start of the coarsest generator and discriminator."""
COARSE_DROPOUT = 0.0, 0.5
"""Of the coarsest discriminator's image and its hidden units. Of 49 pixels none is to spare."""
LABEL_INIT = 0.1
"""Deviation of a label's numbers at the start: together about as strong as the paper's one-hot vector. Labels as strong as
the noise leave it unheeded: each class becomes one picture (docs/lab-notebook.md)."""


def down(x: Tensor, size: Size) -> Tensor:
    """The paper's d: images `[B, C, H, W]` -> `[B, C, *size]`, smaller, by area averages."""
    return adaptive_avg_pool2d(x, size)


def up(x: Tensor, size: Size) -> Tensor:
    """The paper's u: images `[B, C, H, W]` -> `[B, C, *size]`, larger, bilinear."""
    return interpolate(x, size, mode="bilinear")


def pyramid(x: Tensor, sizes: Sequence[Size]) -> list[tuple[Tensor, Tensor]]:
    """Images `[B, C, H, W]` -> (I_k, l_k), both `[B, C, *sizes[k]]`, of each level, from (H, W) down to the coarsest.

    Both stay in the range of `x`, as they are averages of it. The bands I_k - l_k give `x` back: from the coarsest
    on, I_k = u(I_{k+1}) + h_k (Eq. 3).
    """
    images = [x]
    for size in sizes[1:]:
        images.append(down(images[-1], size))
    lows = [up(image, size) for image, size in zip(images[1:], sizes, strict=False)]
    return list(zip(images, [*lows, torch.zeros_like(images[-1])], strict=True))


class Generator(nn.Module):
    """Noise `[B, latents]` (and labels `[B]`) -> images `[B, C, H, W]` in [-1, 1], from the coarsest level up.

    Each level has a share of the noise of its own. `sizes` are those of the levels, `sizes[0]` that of the image.
    """

    def __init__(
        self, channels: int, sizes: Sequence[Size], latent_dim: int, width: int, hidden: int, classes: int = 0
    ) -> None:
        super().__init__()
        self.sizes, count = list(sizes), len(sizes)
        self.shares = [(latent_dim + k) // count for k in range(count)]  # the coarsest has no less than others
        fine = zip(self.shares[:-1], sizes, strict=False)
        self.levels = nn.ModuleList(
            [
                *(FineGenerator(channels, size, share, width, classes) for share, size in fine),
                CoarseGenerator(channels, sizes[-1], self.shares[-1], hidden, classes),
            ]
        )

    def split(self, z: Tensor) -> list[Tensor]:
        """Noise `[B, latents]` -> the share of each level."""
        return list(torch.split(z, self.shares, 1))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images out of noise (section 2.2). All levels' images are held to [-1, 1], as those of real images are."""
        image: Tensor | None = None
        for level, noise, size in reversed(list(zip(self.levels, self.split(z), self.sizes, strict=True))):
            low = None if image is None else up(image, size)
            image = level(noise, low, y).clamp(-1, 1)
        assert image is not None
        return image


class CoarseGenerator(nn.Module):
    """G_K: noise `[B, latents]` (and labels) -> images `[B, C, h, w]`, fully connected (section 4)."""

    def __init__(self, channels: int, size: Size, latent_dim: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.labels = LabelEmbedding(classes, latent_dim, LABEL_INIT) if classes else None
        self.body = mlp.Generator(
            (channels, *size), latent_dim * 2 if classes else latent_dim, hidden, init=COARSE_INIT[0]
        )

    def forward(self, z: Tensor, low: Tensor | None, y: Tensor | None = None) -> Tensor:
        """Images; there is no `low` to look at."""
        out: Tensor = self.body(z if self.labels is None or y is None else torch.cat([z, self.labels(y)], 1))
        return out


class FineGenerator(nn.Module):
    """G_k: noise `[B, latents]`, low-pass images `[B, C, h, w]` (and labels) -> images l_k + h_k, by three convolutions.

    Noise and label come in as a plane each, beside the channels of the low-pass image (section 4). The paper draws a
    number for each pixel; here a linear map lays the level's share of the noise over them.
    """

    def __init__(self, channels: int, size: Size, latent_dim: int, width: int, classes: int) -> None:
        super().__init__()
        pixels = size[0] * size[1]
        self.noise = nn.Linear(latent_dim, pixels, bias=False)
        self.labels = LabelEmbedding(classes, pixels, LABEL_INIT) if classes else None
        planes = [channels + 1 + bool(classes), width, width]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in zip(planes, planes[1:], strict=False))
        self.band = nn.Conv2d(width, channels, 3, 1, 1)
        nn.init.normal_(self.noise.weight, 0, latent_dim**-0.5)  # N(0, 1) at each pixel
        for parameter in self.band.parameters():  # it begins with the low-pass image as it is
            nn.init.zeros_(parameter)
        he_start(self.convs)

    def forward(self, z: Tensor, low: Tensor, y: Tensor | None = None) -> Tensor:
        """`low` with the band that it lacks; no bounds are set to it."""
        planes = [self.noise(z), *([] if self.labels is None or y is None else [self.labels(y)])]
        h = _beside(low, *planes)
        for conv in self.convs:
            h = relu(conv(h))
        band: Tensor = self.band(h)
        return low + band.to(low.dtype)


class Discriminator(nn.Module):
    """Images `[B, C, H, W]` (and labels `[B]`) -> logits `[B]`, the sum of those of all levels.

    The best logit of a level is the log ratio of its densities, of real images against those made out of real
    low-pass images. As far as what is made keeps to its low-pass image these are densities given the level below, and
    the whole image's are their product over the levels: the sum of the logits is the log ratio of whole images.
    """

    def __init__(self, channels: int, sizes: Sequence[Size], width: int, hidden: int, classes: int = 0) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.levels = nn.ModuleList(
            [
                *(FineDiscriminator(channels, size, width, classes) for size in sizes[:-1]),
                CoarseDiscriminator(channels, sizes[-1], hidden, classes),
            ]
        )

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits, positive for real."""
        images = [image for image, _ in pyramid(x, self.sizes)]
        return torch.stack([level(image, y) for level, image in zip(self.levels, images, strict=True)]).sum(0)


class CoarseDiscriminator(nn.Module):
    """D_K: images `[B, C, h, w]` (and labels) -> logits `[B]`, fully connected, with dropout (section 4)."""

    def __init__(self, channels: int, size: Size, hidden: int, classes: int) -> None:
        super().__init__()
        self.labels = LabelEmbedding(classes, size[0] * size[1], LABEL_INIT) if classes else None
        self.body = mlp.Discriminator(
            (channels + bool(classes), *size),
            max(hidden // PIECES, 1),
            PIECES,
            dropout=COARSE_DROPOUT,
            init=COARSE_INIT[1],
        )

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits, positive for real."""
        logits: Tensor = self.body(x if self.labels is None or y is None else _beside(x, self.labels(y)))
        return logits


class FineDiscriminator(nn.Module):
    """D_k: images l_k + h_k `[B, C, h, w]` (and labels) -> logits `[B]`: two strided convolutions, dropout, a linear layer.

    The low-pass image comes in as in the paper, added to the band (section 2.3), so that D sees one image.
    """

    def __init__(self, channels: int, size: Size, width: int, classes: int) -> None:
        super().__init__()
        self.labels = LabelEmbedding(classes, size[0] * size[1], LABEL_INIT) if classes else None
        planes = [channels + bool(classes), width, width * 2]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in zip(planes, planes[1:], strict=False))
        self.head = Head(width * 2 * (size[0] // 4) * (size[1] // 4), 1)
        he_start(self.convs)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits, positive for real."""
        h = x if self.labels is None or y is None else _beside(x, self.labels(y))
        for conv in self.convs:
            h = leaky_relu(conv(h), 0.2)
        h = dropout(h.permute(0, 2, 3, 1).flatten(1), 0.5, self.training)  # as channels_last lies
        logits: Tensor = self.head(h)
        return logits.squeeze(1)


def _beside(x: Tensor, *planes: Tensor) -> Tensor:
    """Images `[B, C, H, W]` with planes `[B, H * W]` as further channels."""
    joined = torch.cat([x, *(plane.view(len(x), 1, *x.shape[2:]) for plane in planes)], 1)
    return joined.contiguous(memory_format=torch.channels_last)

"""The Laplacian pyramid and the networks of LAPGAN, one pair per level (Denton et al. 2015).

Levels are numbered as in the paper: 0 is the full image, the last level is the coarsest. A level has an image I_k and
its low-pass image l_k = u(I_{k+1}), the upsampled next level. Their difference is the band h_k (Eq. 2), from which the
image is reconstructed (Eq. 3). At the coarsest level l is zero and h is the image itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, dropout, interpolate, leaky_relu, relu

from sparring.nets import mlp
from sparring.nets.layers import Head, LabelEmbedding, Size, he_init

PIECES = 5
"""Linear pieces of a maxout unit in the coarsest discriminator."""
COARSE_INIT = 0.1, 0.02
"""Bounds of the uniform initialisation of the coarsest generator and discriminator."""
COARSE_DROPOUT = 0.0, 0.5
"""Dropout rates of the image and of the hidden units in the coarsest discriminator. Its image has few pixels (49)."""
LABEL_INIT = 0.1
"""Initial standard deviation of label embeddings, with about the norm of the paper's one-hot vector. With embeddings as
large as the noise each class collapses to one image (docs/lab-notebook.md)."""


def down(x: Tensor, size: Size) -> Tensor:
    """Downsample images `[B, C, H, W]` to `[B, C, *size]` by area averages, the paper's d."""
    return adaptive_avg_pool2d(x, size)


def up(x: Tensor, size: Size) -> Tensor:
    """Upsample images `[B, C, H, W]` to `[B, C, *size]` bilinearly, the paper's u."""
    return interpolate(x, size, mode="bilinear")


def pyramid(x: Tensor, sizes: Sequence[Size]) -> list[tuple[Tensor, Tensor]]:
    """Return (I_k, l_k), both `[B, C, *sizes[k]]`, of each level of images `[B, C, H, W]`, from fine to coarse.

    Both are averages of `x` and stay in its range. `x` is reconstructed from the bands h_k = I_k - l_k: starting at the
    coarsest level, I_k = u(I_{k+1}) + h_k (Eq. 3).
    """
    images = [x]
    for size in sizes[1:]:
        images.append(down(images[-1], size))
    lows = [up(image, size) for image, size in zip(images[1:], sizes, strict=False)]
    return list(zip(images, [*lows, torch.zeros_like(images[-1])], strict=True))


class Generator(nn.Module):
    """Noise `[B, latent_dim]` (and labels `[B]`) -> images `[B, C, H, W]` in [-1, 1], from coarse to fine.

    Each level has its own chunk of the noise. `sizes` are the image sizes of the levels; `sizes[0]` is the full size.
    """

    def __init__(
        self, channels: int, sizes: Sequence[Size], latent_dim: int, width: int, hidden: int, classes: int = 0
    ) -> None:
        super().__init__()
        self.sizes, count = list(sizes), len(sizes)
        self.chunk_dims = [(latent_dim + k) // count for k in range(count)]  # the coarsest level gets the largest
        fine = zip(self.chunk_dims[:-1], sizes, strict=False)
        self.levels = nn.ModuleList(
            [
                *(FineGenerator(channels, size, chunk_dim, width, classes) for chunk_dim, size in fine),
                CoarseGenerator(channels, sizes[-1], self.chunk_dims[-1], hidden, classes),
            ]
        )

    def split(self, z: Tensor) -> list[Tensor]:
        """Split noise `[B, latent_dim]` into the chunks of the levels."""
        return list(torch.split(z, self.chunk_dims, 1))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise to images (section 2.2).

        The images of all levels are clamped to [-1, 1], the range of real ones.
        """
        image: Tensor | None = None
        for level, noise, size in reversed(list(zip(self.levels, self.split(z), self.sizes, strict=True))):
            low = None if image is None else up(image, size)
            image = level(noise, low, y).clamp(-1, 1)
        assert image is not None
        return image


class CoarseGenerator(nn.Module):
    """G_K, the coarsest level: noise `[B, latent_dim]` (and labels) -> images `[B, C, h, w]`, an MLP (section 4)."""

    def __init__(self, channels: int, size: Size, latent_dim: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.labels = LabelEmbedding(classes, latent_dim, LABEL_INIT) if classes else None
        self.body = mlp.Generator(
            (channels, *size), latent_dim * 2 if classes else latent_dim, hidden, init=COARSE_INIT[0]
        )

    def forward(self, z: Tensor, low: Tensor | None, y: Tensor | None = None) -> Tensor:
        """Map noise to images. `low` is ignored: the coarsest level has no low-pass image."""
        out: Tensor = self.body(z if self.labels is None or y is None else torch.cat([z, self.labels(y)], 1))
        return out


class FineGenerator(nn.Module):
    """G_k: noise `[B, latent_dim]`, low-pass images `[B, C, h, w]` (and labels) -> images l_k + h_k, a CNN (section 4).

    Noise and label are one extra plane each. The paper draws one number per pixel; here a linear map spreads the
    level's noise chunk over the pixels.
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
        for parameter in self.band.parameters():  # the initial output is the low-pass image
            nn.init.zeros_(parameter)
        he_init(self.convs)

    def forward(self, z: Tensor, low: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise and low-pass images `low` to images, not clamped."""
        planes = [self.noise(z), *([] if self.labels is None or y is None else [self.labels(y)])]
        h = _concat_planes(low, *planes)
        for conv in self.convs:
            h = relu(conv(h))
        band: Tensor = self.band(h)
        return low + band.to(low.dtype)


class Discriminator(nn.Module):
    """Images `[B, C, H, W]` (and labels `[B]`) -> logits `[B]`, the sum of the logits of all levels.

    The optimal logit of a level is the log density ratio of real images to images generated from real low-pass images.
    If those keep their low-pass image, it is a ratio of conditional densities given the next level. The product over
    the levels is then the density ratio of full images, and the sum of the logits its logarithm.
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
        """Map images (and labels) to logits, positive for real."""
        images = [image for image, _ in pyramid(x, self.sizes)]
        return torch.stack([level(image, y) for level, image in zip(self.levels, images, strict=True)]).sum(0)


class CoarseDiscriminator(nn.Module):
    """D_K, the coarsest level: images `[B, C, h, w]` (and labels) -> logits `[B]`, an MLP with dropout (section 4)."""

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
        """Map images (and labels) to logits, positive for real."""
        logits: Tensor = self.body(x if self.labels is None or y is None else _concat_planes(x, self.labels(y)))
        return logits


class FineDiscriminator(nn.Module):
    """D_k: images l_k + h_k `[B, C, h, w]` (and labels) -> logits `[B]`, a CNN with dropout (section 4).

    As in the paper its input is the sum of low-pass image and band (section 2.3).
    """

    def __init__(self, channels: int, size: Size, width: int, classes: int) -> None:
        super().__init__()
        self.labels = LabelEmbedding(classes, size[0] * size[1], LABEL_INIT) if classes else None
        planes = [channels + bool(classes), width, width * 2]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in zip(planes, planes[1:], strict=False))
        self.head = Head(width * 2 * (size[0] // 4) * (size[1] // 4), 1)
        he_init(self.convs)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Map images (and labels) to logits, positive for real."""
        h = x if self.labels is None or y is None else _concat_planes(x, self.labels(y))
        for conv in self.convs:
            h = leaky_relu(conv(h), 0.2)
        h = dropout(h.permute(0, 2, 3, 1).flatten(1), 0.5, self.training)  # in channels_last order
        logits: Tensor = self.head(h)
        return logits.squeeze(1)


def _concat_planes(x: Tensor, *planes: Tensor) -> Tensor:
    """Append planes `[B, H * W]` to images `[B, C, H, W]` as further channels."""
    joined = torch.cat([x, *(plane.view(len(x), 1, *x.shape[2:]) for plane in planes)], 1)
    return joined.contiguous(memory_format=torch.channels_last)

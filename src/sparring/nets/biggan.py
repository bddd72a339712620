"""The residual networks of BigGAN (Brock et al. 2019, appendix B), for any height, width and channel count.

Each block changes the size to the next of `halvings`: by nearest-neighbour upsampling in the generator, by 2x2 average
pooling in the discriminator. Weights are orthogonally initialised and, except the generator's shared embedding,
spectrally normalised.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from sparring.nets.attention import SelfAttention, attention_size
from sparring.nets.layers import Head, LabelEmbedding, Size, halvings
from sparring.nets.spectral_norm import spectral_norm
from sparring.nets.strided_gan import level_widths


class ConditionalNorm(nn.Module):
    """Batch normalisation whose gain and bias are linear in a condition `[B, condition_dim]`, the gain plus 1."""

    def __init__(self, features: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=False)
        self.gain = nn.Linear(condition_dim, features, bias=False)
        self.bias = nn.Linear(condition_dim, features, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map `[B, C, H, W]` and a condition `[B, condition_dim]` to `[B, C, H, W]`."""
        x = self.norm(x)
        gain, bias = (1 + self.gain(condition)).to(x.dtype), self.bias(condition).to(x.dtype)
        return torch.addcmul(bias[:, :, None, None], x, gain[:, :, None, None])


class UpBlock(nn.Module):
    """A residual block that upsamples to `size` (Figure 15b): norm, relu, resize, 3x3, norm, relu, 3x3, plus a skip.

    Convolutions have no bias, which the following norm would cancel.
    """

    def __init__(self, inputs: int, outputs: int, condition_dim: int, size: Size) -> None:
        super().__init__()
        self.size = size
        self.norm1 = ConditionalNorm(inputs, condition_dim)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = ConditionalNorm(outputs, condition_dim)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map `[B, inputs, h, w]` and a condition `[B, condition_dim]` to `[B, outputs, *size]`."""
        h = self.conv1(_resized(relu(self.norm1(x, condition)), self.size))
        h = self.conv2(relu(self.norm2(h, condition)))
        out: Tensor = h + _resized(self.skip(x), self.size)  # a 1x1 convolution before resizing is equal and cheaper
        return out


class DownBlock(nn.Module):
    """A residual block (Figure 15c): relu, 3x3, relu, 3x3, pool. The first block has no relu on the image."""

    def __init__(self, inputs: int, outputs: int, *, first: bool, halve: bool) -> None:
        super().__init__()
        self.first, self.halve = first, halve
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, inputs, h, w]` to `[B, outputs, h // 2, w // 2]`, or to the same size without `halve`."""
        h = self.conv2(relu(self.conv1(x if self.first else relu(x))))
        if self.halve:  # rounds down, as `halvings` does
            h, x = avg_pool2d(h, 2), avg_pool2d(x, 2)
        out: Tensor = h + self.skip(x)
        return out


class Generator(nn.Module):
    """Noise `[B, latent_dim]` and labels `[B]` -> images `[B, C, H, W]` in [-1, 1].

    The noise is split into about equal chunks, one for the base and one for each block (section 3, hierarchical
    latents). Each chunk is concatenated with the shared label embedding. Without labels all images count as unlabelled
    (-1).
    """

    def __init__(
        self, shape: tuple[int, int, int], latent_dim: int, width: int, max_channels: int, classes: int, embedding: int
    ) -> None:
        super().__init__()
        channels, height, image_width = shape
        sizes = _levels(height, image_width)[::-1]
        widths = level_widths(len(sizes) - 1, width, max_channels)[::-1]
        self.base = (widths[0], *sizes[0])
        self.embedding = LabelEmbedding(classes, embedding)
        chunks = [chunk.numel() + embedding for chunk in torch.tensor_split(torch.zeros(latent_dim), len(sizes))]
        self.project = nn.Linear(chunks[0], math.prod(self.base))
        self.blocks = nn.ModuleList(
            UpBlock(inputs, outputs, condition_dim, size)
            for inputs, outputs, condition_dim, size in zip(
                [widths[0], *widths], widths, chunks[1:], sizes[1:], strict=False
            )
        )
        self.attention_level = _attention_level(sizes[:-1])
        self.attention = (
            SelfAttention([widths[0], *widths][self.attention_level]) if self.attention_level is not None else None
        )
        self.norm = nn.BatchNorm2d(widths[-1])
        self.to_image = nn.Conv2d(widths[-1], channels, 3, 1, 1)
        _orthogonal(self)
        spectral_norm(module for module in self.modules() if module is not self.embedding)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise (and labels) to images."""
        label = self.embedding(y if y is not None else z.new_full((len(z),), -1, dtype=torch.int64))
        first, *conditions = (torch.cat([chunk, label], 1) for chunk in torch.tensor_split(z, len(self.blocks) + 1, 1))
        h = self.project(first).view(-1, *self.base).contiguous(memory_format=torch.channels_last)
        for k, (block, condition) in enumerate(zip(self.blocks, conditions, strict=True)):
            if self.attention is not None and k == self.attention_level:
                h = self.attention(h)
            h = block(h, condition)
        return torch.tanh(self.to_image(relu(self.norm(h))).float())


class Discriminator(nn.Module):
    """Images `[B, C, H, W]` and labels `[B]` -> logits `[B]`, a projection discriminator."""

    def __init__(self, shape: tuple[int, int, int], width: int, max_channels: int, classes: int) -> None:
        super().__init__()
        channels, height, image_width = shape
        sizes = _levels(height, image_width)
        widths = [channels, *level_widths(len(sizes) - 1, width, max_channels)]
        self.blocks = nn.ModuleList(
            DownBlock(inputs, outputs, first=k == 0, halve=sizes[k] != sizes[k + 1])
            for k, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False))
        )
        self.blocks.append(DownBlock(widths[-1], widths[-1], first=False, halve=False))
        self.attention_level = _attention_level(sizes[1:])
        self.attention = SelfAttention(widths[self.attention_level + 1]) if self.attention_level is not None else None
        self.feature_count: int = widths[-1]
        """Size of the vector that `features` returns."""
        self.head = Head(self.feature_count, 1)
        self.embedding = LabelEmbedding(classes, self.feature_count)
        _orthogonal(self)
        spectral_norm(self.modules())

    def features(self, x: Tensor) -> Tensor:
        """Map images to sums over positions, float32 `[B, feature_count]`."""
        for k, block in enumerate(self.blocks):
            x = block(x)
            if self.attention is not None and k == self.attention_level:
                x = self.attention(x)
        return relu(x).float().sum((2, 3))

    def logits(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Map features to logits: a linear head plus the label projection (Miyato and Koyama 2018, Eq. 3)."""
        logits: Tensor = self.head(h).squeeze(1)
        return logits if y is None else logits + (self.embedding(y) * h).sum(1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Map images (and labels) to logits, positive for real."""
        return self.logits(self.features(x), y)


def _levels(height: int, width: int) -> list[Size]:
    """Return the sizes of `halvings`. An image too small to be halved gets one block that keeps its size."""
    sizes = halvings(height, width)
    return sizes if len(sizes) > 1 else sizes * 2


def _attention_level(sizes: list[Size]) -> int | None:
    """Return the index of the size that attention is applied at, None if it is at none."""
    size = attention_size(sizes)
    return sizes.index(size) if size is not None else None


def _resized(x: Tensor, size: Size) -> Tensor:
    return x if x.shape[2:] == size else interpolate(x, size, mode="nearest")


def _orthogonal(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding) and not module.weight.is_meta:
            nn.init.orthogonal_(module.weight)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

"""Residual networks of BigGAN (Brock et al. 2019, appendix B), for any height, width and channel count.

Every block changes the size to that of the next of `halvings`: the generator by nearest neighbours, the discriminator
by means of 2x2. All weights are spectrally normalised but the generator's shared embedding, and begin orthogonal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from sparring.nets.attention import SelfAttention, attention_size
from sparring.nets.layers import Head, LabelEmbedding, halvings
from sparring.nets.spectral_norm import spectral_norm
from sparring.nets.strided_gan import widths_of

Size = tuple[int, int]


class ConditionalNorm(nn.Module):
    """Batch normalisation with a gain and a bias that are linear in a condition `[B, conditions]`; the gain about 1."""

    def __init__(self, features: int, condition_stats: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=False)
        self.gain = nn.Linear(condition_stats, features, bias=False)
        self.bias = nn.Linear(condition_stats, features, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`[B, C, H, W]` -> the same."""
        x = self.norm(x)
        gain, bias = (1 + self.gain(condition)).to(x.dtype), self.bias(condition).to(x.dtype)
        return torch.addcmul(bias[:, :, None, None], x, gain[:, :, None, None])


class UpBlock(nn.Module):
    """A residual block up to `size` (Figure 15b): norm, relu, resize, 3x3, norm, relu, 3x3; the skip is resized too.

    Convolutions before a norm, which would undo it, have no bias.
    """

    def __init__(self, inputs: int, outputs: int, condition_stats: int, size: Size) -> None:
        super().__init__()
        self.size = size
        self.norm1 = ConditionalNorm(inputs, condition_stats)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = ConditionalNorm(outputs, condition_stats)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`[B, inputs, h, w]`, `[B, conditions]` -> `[B, outputs, *size]`."""
        h = self.conv1(_resized(relu(self.norm1(x, condition)), self.size))
        h = self.conv2(relu(self.norm2(h, condition)))
        out: Tensor = h + _resized(self.skip(x), self.size)  # 1x1 before resizing: the same, and cheaper
        return out


class DownBlock(nn.Module):
    """A residual block (Figure 15c): relu, 3x3, relu, 3x3, halve; the first of all takes the image without relu."""

    def __init__(self, inputs: int, outputs: int, *, first: bool, halve: bool) -> None:
        super().__init__()
        self.first, self.halve = first, halve
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`[B, inputs, h, w]` -> `[B, outputs, h // 2, w // 2]`, or h and w where nothing is halved."""
        h = self.conv2(relu(self.conv1(x if self.first else relu(x))))
        if self.halve:  # the sides' halves, rounded down, as in `halvings`
            h, x = avg_pool2d(h, 2), avg_pool2d(x, 2)
        out: Tensor = h + self.skip(x)
        return out


class Generator(nn.Module):
    """Noise `[B, latents]` and labels `[B]` -> images `[B, C, H, W]` in [-1, 1].

    The noise is cut into one chunk for the base and one for each block, as even as can be (section 3, hierarchical
    latents); each joins the embedding of the label, which all share. Without labels, all are unlabelled (-1).
    """

    def __init__(
        self, shape: tuple[int, int, int], latent_dim: int, width: int, most: int, classes: int, embedding: int
    ) -> None:
        super().__init__()
        channels, height, wide = shape
        sizes = _levels(height, wide)[::-1]
        widths = widths_of(len(sizes) - 1, width, most)[::-1]
        self.base = (widths[0], *sizes[0])
        self.embedding = LabelEmbedding(classes, embedding)
        chunks = [part.numel() + embedding for part in torch.tensor_split(torch.zeros(latent_dim), len(sizes))]
        self.project = nn.Linear(chunks[0], math.prod(self.base))
        self.blocks = nn.ModuleList(
            UpBlock(inputs, outputs, condition_stats, size)
            for inputs, outputs, condition_stats, size in zip(
                [widths[0], *widths], widths, chunks[1:], sizes[1:], strict=False
            )
        )
        self.attended = _attended(sizes[:-1])
        self.attention = SelfAttention([widths[0], *widths][self.attended]) if self.attended is not None else None
        self.norm = nn.BatchNorm2d(widths[-1])
        self.to_image = nn.Conv2d(widths[-1], channels, 3, 1, 1)
        _orthogonal(self)
        spectral_norm(module for module in self.modules() if module is not self.embedding)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images out of noise."""
        label = self.embedding(y if y is not None else z.new_full((len(z),), -1, dtype=torch.int64))
        first, *condition_stats = (
            torch.cat([part, label], 1) for part in torch.tensor_split(z, len(self.blocks) + 1, 1)
        )
        h = self.project(first).view(-1, *self.base).contiguous(memory_format=torch.channels_last)
        for k, (block, condition) in enumerate(zip(self.blocks, condition_stats, strict=True)):
            if self.attention is not None and k == self.attended:
                h = self.attention(h)
            h = block(h, condition)
        return torch.tanh(self.to_image(relu(self.norm(h))).float())


class Discriminator(nn.Module):
    """Images `[B, C, H, W]` and labels `[B]` -> logits `[B]`: features, and a judge of them that heads may join."""

    def __init__(self, shape: tuple[int, int, int], width: int, most: int, classes: int) -> None:
        super().__init__()
        channels, height, wide = shape
        sizes = _levels(height, wide)
        widths = [channels, *widths_of(len(sizes) - 1, width, most)]
        self.blocks = nn.ModuleList(
            DownBlock(inputs, outputs, first=k == 0, halve=sizes[k] != sizes[k + 1])
            for k, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False))
        )
        self.blocks.append(DownBlock(widths[-1], widths[-1], first=False, halve=False))
        self.attended = _attended(sizes[1:])
        self.attention = SelfAttention(widths[self.attended + 1]) if self.attended is not None else None
        self.feature_count: int = widths[-1]
        """Numbers that `features` gives of an image."""
        self.head = Head(self.feature_count, 1)
        self.embedding = LabelEmbedding(classes, self.feature_count)
        _orthogonal(self)
        spectral_norm(self.modules())

    def features(self, x: Tensor) -> Tensor:
        """Sums over all positions, float32 `[B, feature_count]`."""
        for k, block in enumerate(self.blocks):
            x = block(x)
            if self.attention is not None and k == self.attended:
                x = self.attention(x)
        return relu(x).float().sum((2, 3))

    def judge(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of features: a linear head, and a projection on the label's embedding (Miyato and Koyama 2018, Eq. 3)."""
        logits: Tensor = self.head(h).squeeze(1)
        return logits if y is None else logits + (self.embedding(y) * h).sum(1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits, positive for real."""
        return self.judge(self.features(x), y)


def _levels(height: int, width: int) -> list[Size]:
    """The sizes of `halvings`; what is too small to be halved gets one block all the same, that keeps its size."""
    sizes = halvings(height, width)
    return sizes if len(sizes) > 1 else sizes * 2


def _attended(sizes: list[Size]) -> int | None:
    """Where among these attention stands; both nets ask for the levels below the image itself."""
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

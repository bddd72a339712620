"""The networks of Improved GAN (Salimans et al. 2016, section 5): fully connected for grey images, convolutions for others.

A classifier is in two halves, as feature matching asks: `features(x)` and `head(h)`. All its layers are weight-normalised,
with noise between them while it learns; the generator's batch normalisation has no gain, only shifts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, leaky_relu, relu, softplus

from sparring.nets.layers import halvings
from sparring.nets.strided_gan import widths_of
from sparring.nets.weight_norm import normalised_conv, normalised_linear, normalised_up


class Noise(nn.Module):
    """Adds N(0, deviation^2) to what passes while it learns; nothing in eval mode."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return torch.add(x, torch.randn_like(x), alpha=self.deviation) if self.training else x


class Last(nn.Module):
    """Noise and a normalised layer whose lengths are trained, in float32: logits out of features."""

    def __init__(self, inputs: int, classes: int, noise: float, start: float = 1.0) -> None:
        super().__init__()
        self.noise = Noise(noise)
        self.linear = normalised_linear(inputs, classes, trained=True, start=start)

    def forward(self, h: Tensor) -> Tensor:
        """Features `[B, inputs]` -> logits `[B, classes]`."""
        with torch.autocast(h.device.type if not h.is_meta else "cpu", enabled=False):
            logits: Tensor = self.linear(self.noise(h.to(self.linear.bias.dtype)))
        return logits


class MLPClassifier(nn.Module):
    """Images `[B, C, H, W]` -> logits `[B, classes]`: hidden layers of 1000, 500, 250, 250 and 250 rectifiers."""

    def __init__(
        self, shape: tuple[int, int, int], classes: int, hidden: Sequence[int], noise: tuple[float, float] = (0.3, 0.5)
    ) -> None:
        super().__init__()
        sizes = [math.prod(shape), *hidden]
        self.noises = nn.ModuleList(Noise(noise[min(k, 1)]) for k in range(len(hidden)))
        self.layers = nn.ModuleList(normalised_linear(*pair) for pair in zip(sizes, sizes[1:], strict=False))
        self.head = Last(hidden[-1], classes, noise[1])

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer `[B, hidden]`, before its noise."""
        h = (x.flatten(1) + 1) / 2  # the paper's pixels are from 0 to 1, and so is its noise
        for noise, layer in zip(self.noises, self.layers, strict=True):
            h = relu(layer(noise(h)))
        return h

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class MLPGenerator(nn.Module):
    """Uniform noise `[B, latents]` -> images `[B, C, H, W]` in [-1, 1]: two softplus layers and a sigmoid."""

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, hidden: int = 500) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList([nn.Linear(latent_dim, hidden, bias=False), nn.Linear(hidden, hidden, bias=False)])
        self.norms = nn.ModuleList(Shifted(hidden) for _ in range(2))
        self.last = normalised_linear(hidden, math.prod(shape), trained=True, start=None)
        # Glorot's start, as in the paper's code: steps of Adam are large for small weights, and a generator that is slower
        # than its classifier is of no use to it for thousands of rounds (docs/lab-notebook.md, 2026-11-26)
        for weight in (*(layer.weight for layer in self.layers), self.last.direction):
            nn.init.xavier_uniform_(weight)  # type: ignore[arg-type]

    def forward(self, z: Tensor) -> Tensor:
        """Images out of noise that is normal: its rank in [0, 1] is what the paper draws."""
        h = torch.special.ndtr(z)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = softplus(norm(layer(h)))
        image: Tensor = self.last(h)
        return (torch.sigmoid(image.float()) * 2 - 1).view(-1, *self.shape)


class Shifted(nn.BatchNorm1d):
    """Batch normalisation with a shift and no gain."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.weight.requires_grad_(False)


class ConvClassifier(nn.Module):
    """Images `[B, C, H, W]` -> logits: three blocks of convolutions, the first two halve the image, then a mean over pixels."""

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int = 96) -> None:
        super().__init__()
        channels, height, wide = shape
        split_head = len(halvings(height, wide, smallest=3)) > 2  # a small image is not halved
        down = 2 if split_head else 1
        w = width
        self.blocks = nn.ModuleList(
            nn.ModuleList(layers)
            for layers in (
                [normalised_conv(channels, w, 3, 1, 1), normalised_conv(w, w, 3, 1, 1), normalised_conv(w, w, 3, down, 1)],
                [normalised_conv(w, 2 * w, 3, 1, 1), normalised_conv(2 * w, 2 * w, 3, 1, 1), normalised_conv(2 * w, 2 * w, 3, down, 1)],
                [normalised_conv(2 * w, 2 * w, 3, 1, 1), normalised_conv(2 * w, 2 * w, 1), normalised_conv(2 * w, 2 * w, 1)],
            )
        )  # fmt: skip
        self.head = Last(2 * w, classes, 0.0, start=0.1)

    def features(self, x: Tensor) -> Tensor:
        """The last layer's mean over all pixels, `[B, 2 * width]`."""
        h = dropout(x, 0.2, self.training)
        for k, block in enumerate(self.blocks):
            for layer in block:  # type: ignore[attr-defined]
                h = leaky_relu(layer(h), 0.2)
            if k < 2:
                h = dropout(h, 0.5, self.training)
        return h.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class ConvGenerator(nn.Module):
    """Uniform noise -> images: a projection, then transposed convolutions that double; the last is weight-normalised.

    Of 4 x 4 where the paper's are of 5 x 5, which give even sizes alone.
    """

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, width: int = 128) -> None:
        super().__init__()
        channels, height, wide = shape
        sizes = halvings(height, wide)[::-1]
        odd = [(size[0] % 2, size[1] % 2) for size in sizes[1:]]
        widths = widths_of(max(len(odd), 1), width, 4 * width)[::-1]
        self.base = (widths[0], *sizes[0])
        self.project = nn.Linear(latent_dim, math.prod(self.base), bias=False)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, 2, 1, extra, bias=False)
            for before, after, extra in zip(widths, widths[1:], odd, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in widths)
        self.last = (
            normalised_up(widths[-1], channels, odd[-1], trained=True, start=0.1)
            if odd
            else normalised_conv(widths[-1], channels, 3, 1, 1, trained=True, start=0.1)
        )
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0, 0.05)

    def forward(self, z: Tensor) -> Tensor:
        """Images out of noise that is normal: its rank in [0, 1] is what the paper draws."""
        h = self.project(torch.special.ndtr(z)).view(-1, *self.base).contiguous(memory_format=torch.channels_last)
        h = relu(self.norms[0](h))
        for up, norm in zip(self.ups, list(self.norms)[1:], strict=True):
            h = relu(norm(up(h)))
        image: Tensor = self.last(h)
        return torch.tanh(image.float())

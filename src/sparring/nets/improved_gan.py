"""The networks of Improved GAN (Salimans et al. 2016, section 5): MLPs for small grey images, CNNs for others.

A classifier has `features(x)` and `head(h)`, for feature matching. Its layers are weight-normalised, with noise between
them in training. The batch normalisation of the MLP generator has a bias and no gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, leaky_relu, relu, softplus

from sparring.nets.layers import halvings
from sparring.nets.strided_gan import level_widths
from sparring.nets.weight_norm import normalised_conv, normalised_conv_transpose, normalised_linear


class GaussianNoise(nn.Module):
    """Add noise N(0, std^2) to the input in training; do nothing in eval mode."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, ...]` to the same shape."""
        return torch.add(x, torch.randn_like(x), alpha=self.std) if self.training else x


class NormalisedHead(nn.Module):
    """Noise of `noise` standard deviation and a weight-normalised linear layer with trained scale, in float32."""

    def __init__(self, inputs: int, classes: int, noise: float, init_std: float = 1.0) -> None:
        super().__init__()
        self.noise = GaussianNoise(noise)
        self.linear = normalised_linear(inputs, classes, train_scale=True, init_std=init_std)

    def forward(self, h: Tensor) -> Tensor:
        """Map features `[B, inputs]` to logits `[B, classes]`."""
        with torch.autocast(h.device.type if not h.is_meta else "cpu", enabled=False):
            logits: Tensor = self.linear(self.noise(h.to(self.linear.bias.dtype)))
        return logits


class MLPClassifier(nn.Module):
    """Images `[B, C, H, W]` -> logits `[B, classes]` by fully connected layers with rectifiers.

    `noise` holds the standard deviations at the input and before each later layer.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, hidden: Sequence[int], noise: tuple[float, float] = (0.3, 0.5)
    ) -> None:
        super().__init__()
        sizes = [math.prod(shape), *hidden]
        self.noises = nn.ModuleList(GaussianNoise(noise[min(k, 1)]) for k in range(len(hidden)))
        self.layers = nn.ModuleList(normalised_linear(*pair) for pair in zip(sizes, sizes[1:], strict=False))
        self.head = NormalisedHead(hidden[-1], classes, noise[1])

    def features(self, x: Tensor) -> Tensor:
        """Map images to the last hidden layer `[B, hidden]`, before its noise."""
        h = (x.flatten(1) + 1) / 2  # the paper's noise is for pixels in [0, 1]
        for noise, layer in zip(self.noises, self.layers, strict=True):
            h = relu(layer(noise(h)))
        return h

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class MLPGenerator(nn.Module):
    """Noise `[B, latent_dim]` -> images `[B, C, H, W]` in [-1, 1]: two softplus layers and a sigmoid."""

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, hidden: int = 500) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList([nn.Linear(latent_dim, hidden, bias=False), nn.Linear(hidden, hidden, bias=False)])
        self.norms = nn.ModuleList(BiasBatchNorm(hidden) for _ in range(2))
        self.last = normalised_linear(hidden, math.prod(shape), train_scale=True, init_std=None)
        # Glorot initialisation as in the paper's code. With larger weights Adam's steps are relatively small, and the
        # generator learns more slowly than the classifier for thousands of rounds (docs/lab-notebook.md, 2026-11-26).
        for weight in (*(layer.weight for layer in self.layers), self.last.direction):
            nn.init.xavier_uniform_(weight)  # type: ignore[arg-type]

    def forward(self, z: Tensor) -> Tensor:
        """Map normal noise to images. The normal CDF makes it uniform in [0, 1], as in the paper."""
        h = torch.special.ndtr(z)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = softplus(norm(layer(h)))
        image: Tensor = self.last(h)
        return (torch.sigmoid(image.float()) * 2 - 1).view(-1, *self.shape)


class BiasBatchNorm(nn.BatchNorm1d):
    """Batch normalisation with a bias and no gain."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.weight.requires_grad_(False)


class ConvClassifier(nn.Module):
    """Images `[B, C, H, W]` -> logits: three blocks of convolutions, of which two downsample, and a global average."""

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int = 96) -> None:
        super().__init__()
        channels, height, image_width = shape
        downsamples = len(halvings(height, image_width, min_side=3)) > 2  # small images are not downsampled
        down = 2 if downsamples else 1
        w, conv = width, normalised_conv
        self.blocks = nn.ModuleList(
            nn.ModuleList(layers)
            for layers in (
                [conv(channels, w, 3, 1, 1), conv(w, w, 3, 1, 1), conv(w, w, 3, down, 1)],
                [conv(w, 2 * w, 3, 1, 1), conv(2 * w, 2 * w, 3, 1, 1), conv(2 * w, 2 * w, 3, down, 1)],
                [conv(2 * w, 2 * w, 3, 1, 1), conv(2 * w, 2 * w, 1), conv(2 * w, 2 * w, 1)],
            )
        )
        self.head = NormalisedHead(2 * w, classes, 0.0, init_std=0.1)

    def features(self, x: Tensor) -> Tensor:
        """Map images to the last layer's average over positions, `[B, 2 * width]`."""
        h = dropout(x, 0.2, self.training)
        for k, block in enumerate(self.blocks):
            for layer in block:  # type: ignore[attr-defined]
                h = leaky_relu(layer(h), 0.2)
            if k < 2:
                h = dropout(h, 0.5, self.training)
        return h.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class ConvGenerator(nn.Module):
    """Noise `[B, latent_dim]` -> images `[B, C, H, W]` in [-1, 1] by transposed convolutions.

    The last one is weight-normalised. Kernels are 4 x 4. The paper's are 5 x 5, which give even sizes only.
    """

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, width: int = 128) -> None:
        super().__init__()
        channels, height, image_width = shape
        sizes = halvings(height, image_width)[::-1]
        output_padding = [(size[0] % 2, size[1] % 2) for size in sizes[1:]]
        widths = level_widths(max(len(output_padding), 1), width, 4 * width)[::-1]
        self.base = (widths[0], *sizes[0])
        self.project = nn.Linear(latent_dim, math.prod(self.base), bias=False)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, 2, 1, padding, bias=False)
            for before, after, padding in zip(widths, widths[1:], output_padding, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in widths)
        self.last = (
            normalised_conv_transpose(widths[-1], channels, output_padding[-1], train_scale=True, init_std=0.1)
            if output_padding
            else normalised_conv(widths[-1], channels, 3, 1, 1, train_scale=True, init_std=0.1)
        )
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0, 0.05)

    def forward(self, z: Tensor) -> Tensor:
        """Map normal noise to images. The normal CDF makes it uniform in [0, 1], as in the paper."""
        h = self.project(torch.special.ndtr(z)).view(-1, *self.base).contiguous(memory_format=torch.channels_last)
        h = relu(self.norms[0](h))
        for up, norm in zip(self.ups, list(self.norms)[1:], strict=True):
            h = relu(norm(up(h)))
        image: Tensor = self.last(h)
        return torch.tanh(image.float())

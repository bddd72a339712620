"""The networks of DCGAN (Radford et al. 2015), strided convolutions with batch normalisation, for any image size."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from sparring.nets.layers import Head, halvings


class Generator(nn.Module):
    """Noise `[B, latent_dim]` -> images `[B, C, H, W]` in [-1, 1]: a projection, then one upsampling per level."""

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, width: int) -> None:
        super().__init__()
        channels, height, image_width = shape
        self.sizes = halvings(height, image_width)[::-1]
        widths = [*(width << level for level in reversed(range(len(self.sizes) - 1))), channels]
        self.base = (widths[0], *self.sizes[0])
        self.project = nn.Linear(latent_dim, self.base[0] * self.base[1] * self.base[2], bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in widths[:-1])
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, (size[0] % 2, size[1] % 2), bias=outputs == channels)
            for inputs, outputs, size in zip(widths, widths[1:], self.sizes[1:], strict=False)
        )
        _init(self)

    def forward(self, z: Tensor) -> Tensor:
        """Map noise to images."""
        h = self.project(z).view(-1, *self.base).contiguous(memory_format=torch.channels_last)
        for norm, up in zip(self.norms, self.ups, strict=True):
            h = up(relu(norm(h)))
        return torch.tanh(h.float())


class Discriminator(nn.Module):
    """Images `[B, C, H, W]` -> logits `[B]`: one downsampling per level, without a norm on the first level."""

    def __init__(self, shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        channels, height, image_width = shape
        sizes = halvings(height, image_width)
        widths = [channels, *(width << level for level in range(len(sizes) - 1))]
        self.downs = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 4, 2, 1, bias=inputs == channels)
            for inputs, outputs in zip(widths, widths[1:], strict=False)
        )
        self.norms = nn.ModuleList(
            nn.Identity() if level == 0 else nn.BatchNorm2d(outputs) for level, outputs in enumerate(widths[1:])
        )
        self.head = Head(widths[-1] * sizes[-1][0] * sizes[-1][1], 1)
        _init(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits, positive for real."""
        h = x
        for down, norm in zip(self.downs, self.norms, strict=True):
            h = leaky_relu(norm(down(h)), 0.2)
        logits: Tensor = self.head(h.permute(0, 2, 3, 1).flatten(1))  # in channels_last order
        return logits.squeeze(1)


def _init(net: nn.Module) -> None:
    """Initialise weights by N(0, 0.02^2) and the scales of norms by N(1, 0.02^2)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)

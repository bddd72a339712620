"""A multiscale PixelCNN: a small image pixel after pixel, then few parallel steps (Reed et al. 2017, arXiv:1703.03664).

Every second row and column of an image make the next smaller one. A doubling adds the other three quarters in three
steps: the columns between, the rows between, and what is left. A network without an order sees all pixels that are
known, and gives those of a step at once, independent of each other. The density is exact: the sum over the steps.
"""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from sparring.nets.context_net import ContextNet
from sparring.nets.density_net import Conditional
from sparring.nets.layers import Head, Size
from sparring.nets.pixel_distributions import PixelDistribution, check_values, to_uniform, values_of
from sparring.nets.pixelcnn import PixelCNN, Shape

OFFSETS = ((0, 1), (1, 0), (1, 1))
"""Row and column of a step's pixels in each block of 2x2, whose pixel (0, 0) is in the smaller image."""


def subsampled_sizes(height: int, width: int, scales: int) -> list[Size]:
    """Return the sizes from (height, width) down to the base: every second row and column, `scales` times.

    >>> subsampled_sizes(28, 9, 2)
    [(28, 9), (14, 5), (7, 3)]
    """
    sizes = [(height, width)]
    for _ in range(scales):
        height, width = (height + 1) // 2, (width + 1) // 2
        sizes.append((height, width))
    return sizes


class StepNet(nn.Module):
    """Known quarters of an image `[B, known * C, h, w]` -> parameters of a further one, `[B, h, w, parameters]`."""

    def __init__(self, distribution: PixelDistribution, known: int, width: int, blocks: int, classes: int) -> None:
        super().__init__()
        self.context = ContextNet(known * distribution.channels, width, (1,) * blocks)
        self.label = nn.Embedding(classes, width) if classes else None
        self.head = Head(width, distribution.parameters)

    def forward(self, quarters: Tensor, y: Tensor | None) -> Tensor:
        """Map known quarters and labels to parameters."""
        condition = None if self.label is None else self.label(y)[:, :, None, None]
        outputs: Tensor = self.head(relu(self.context(quarters, condition)).permute(0, 2, 3, 1))
        return outputs


class MultiscalePixelCNN(nn.Module):
    """Images `[B, C, H, W]` of any size `shape` from a `PixelCNN` of the smallest and three `StepNet`s a doubling.

    `distribution` is that of a pixel.
    """

    exact = True

    def __init__(
        self, base: PixelCNN, shape: Shape, distribution: PixelDistribution, scales: int, width: int, blocks: int
    ) -> None:
        super().__init__()
        self.shape, self.distribution = shape, distribution
        self.sizes = subsampled_sizes(*shape[1:], scales)
        classes = base.label.num_embeddings if base.label is not None else 0
        self.base, self.stride = base, 1 << scales
        self.steps = nn.ModuleList(
            StepNet(distribution, known + 1, width, blocks, classes) for _ in range(scales) for known in range(3)
        )
        later = shape[1] * shape[2] - base.shape[1] * base.shape[2]
        self.latent_dim = base.latent_dim + later * distribution.uniforms

    def plan(self) -> list[tuple[nn.Module, int, Size]]:
        """Return network, stride of the finer image and offset of each step, coarse to fine, without empty ones."""
        steps = []
        for k, step in enumerate(self.steps):
            scale, offset = len(self.sizes) - 2 - k // 3, OFFSETS[k % 3]
            if all(place < side for place, side in zip(offset, self.sizes[scale], strict=True)):
                steps.append((step, 1 << scale, offset))
        return steps

    def quarter(self, x: Tensor, stride: int, offset: Size) -> Tensor:
        """Return the pixels of one quarter of the image whose rows and columns are `stride` apart: a view of `x`."""
        return x[:, :, offset[0] * stride :: 2 * stride, offset[1] * stride :: 2 * stride]

    def outputs(self, step: nn.Module, x: Tensor, y: Tensor | None, stride: int, offset: Size) -> Tensor:
        """Return the parameters of one step's pixels, `[B, h, w, parameters]`, given the quarters before."""
        first = self.quarter(x, stride, (0, 0))
        quarters = [first]
        for before in OFFSETS[: OFFSETS.index(offset)]:
            quarter = self.quarter(x, stride, before)
            quarters.append(pad(quarter, (0, first.shape[3] - quarter.shape[3], 0, first.shape[2] - quarter.shape[2])))
        height, width = self.quarter(x, stride, offset).shape[2:]
        known = torch.cat(quarters, 1).contiguous(memory_format=torch.channels_last)  # twice as fast
        outputs: Tensor = step(known, y)[:, :height, :width]
        return outputs

    def log_prob(self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return log P of images, `[B]`, in nats. It is exact and needs no generator."""
        check_values(self.distribution, x)
        total: Tensor = self.base.log_prob(x[:, :, :: self.stride, :: self.stride], y)
        for step, stride, offset in self.plan():
            target = self.quarter(x, stride, offset).permute(0, 2, 3, 1)
            outputs = self.outputs(step, x, y, stride, offset)
            total = total + self.distribution.log_prob(outputs, target).sum((1, 2))
        return total

    @torch.no_grad()
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return samples `[B, C, H, W]` from standard normal noise `[B, latent_dim]`."""
        base: Tensor = self.base(z[:, : self.base.latent_dim], y)
        x = base.new_zeros(len(z), *self.shape)
        x[:, :, :: self.stride, :: self.stride] = base
        start = self.base.latent_dim
        for step, stride, offset in self.plan():
            pixels = self.quarter(x, stride, offset)
            count = pixels[0, 0].numel() * self.distribution.uniforms
            u = to_uniform(z[:, start : start + count]).view(len(z), *pixels.shape[2:], -1)
            pixels.copy_(self.distribution.sample(self.outputs(step, x, y, stride, offset), u).permute(0, 3, 1, 2))
            start += count
        return x

    @torch.no_grad()
    def conditionals(self, batch: int, y: Tensor | None = None) -> Generator[Conditional, Tensor, None]:
        """Yield the distributions of an image's values and receive the values, as `PixelCNN.conditionals` does."""
        like = self.base.first_vertical.weight
        x = torch.zeros(batch, *self.shape, dtype=like.dtype, device=like.device)
        values = values_of(self.distribution, x)
        steps = self.base.conditionals(batch, y)
        step: Conditional | None = next(steps)
        while step is not None:
            every, channel, row, column = step.place
            place = every, channel, row * self.stride, column * self.stride
            index = yield Conditional(place, step.probabilities)
            x[place] = values[index]
            try:
                step = steps.send(index)
            except StopIteration:
                step = None
        for net, stride, (row, column) in self.plan():
            outputs = self.outputs(net, x, y, stride, (row, column)).double()
            grid = slice(row * stride, None, 2 * stride), slice(column * stride, None, 2 * stride)
            pixels = x[:, :, *grid].permute(0, 2, 3, 1)
            for channel in range(self.distribution.channels):
                p = self.distribution.conditional(outputs, pixels.double(), channel).exp()
                x[:, channel, *grid] = values[(yield Conditional((slice(None), channel, *grid), p))]

    def encode(self, x: Tensor) -> Tensor:
        """Return features `[B, width]`, float32, of the smallest image (`PixelCNN.encode`)."""
        return self.base.encode(x[:, :, :: self.stride, :: self.stride])

    def protocol(self) -> dict[str, object]:
        """Return what a stated likelihood depends on."""
        base, size = self.base.protocol(), "x".join(map(str, self.sizes[-1]))
        return {**base, "order": f"{base['order']} at {size}, then quarters"}

    def diagnostics(self, x: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Return `causality_leak` of the smallest image (`PixelCNN.diagnostics`); later steps see no unknown pixel."""
        return self.base.diagnostics(x[:, :, :: self.stride, :: self.stride], generator)

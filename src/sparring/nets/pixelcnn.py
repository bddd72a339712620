"""A gated PixelCNN: the exact distribution of images, pixel after pixel (van den Oord et al. 2016, arXiv:1606.05328).

Two stacks of convolutions see all pixels before each pixel in raster order, without a blind spot. The image enters the
vertical stack shifted down by one row, and the horizontal stack shifted right by one column. After that padding alone
keeps the order, so no weight is masked. Differences to the paper: the gate is a * sigmoid(b) (Dauphin et al. 2017),
which is cheaper than tanh(a) * sigmoid(b); both stacks are residual, and their sums take the place of skip connections;
labels enter once, at the start of the vertical stack.
"""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from sparring.engine.errors import UsageError
from sparring.nets.context_net import ContextNet, mask_image
from sparring.nets.layers import Head
from sparring.nets.pixel_distributions import PixelDistribution, check_values, to_uniform
from sparring.nets.pixelcnn_samplers import Conditional, complete_cached, conditionals, sample_cached

FIRST_VERTICAL = (3, 7)
"""Rows and columns of the first vertical kernel."""
FIRST_HORIZONTAL = 4
"""Columns of the first horizontal kernel."""


class ValueAndGate(nn.Module):
    """Two convolutions of one input: the value, and the gate.

    Separate outputs stay contiguous in channels_last. Halves of one output would double the time of the step.
    """

    def __init__(self, inputs: int, width: int, kernel: tuple[int, int], bias: bool = True) -> None:
        super().__init__()
        self.value = nn.Conv2d(inputs, width, kernel, bias=bias)
        self.gate = nn.Conv2d(inputs, width, kernel, bias=bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `[B, C, H, W]` to value and gate, `[B, width, H', W']` each."""
        return self.value(x), self.gate(x)


class GatedLayer(nn.Module):
    """One layer of both stacks. The vertical kernel is `kernel` wide and `kernel // 2 + 1` high."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.margin = kernel // 2
        self.vertical = ValueAndGate(width, width, (self.margin + 1, kernel))
        self.horizontal = ValueAndGate(width, width, (1, self.margin + 1), bias=False)
        self.link = ValueAndGate(width, width, (1, 1))
        self.output = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Map the features of both stacks, `[B, F, H, W]` each."""
        m = self.margin
        value, gate = self.vertical(pad(v, (m, m, m, 0)))
        v = v + value * torch.sigmoid(gate)
        (value, gate), (link_value, link_gate) = self.horizontal(pad(h, (m, 0, 0, 0))), self.link(v)
        return v, h + self.output((value + link_value) * torch.sigmoid(gate + link_gate))


class PixelCNN(nn.Module):
    """Images `[B, C, H, W]` whose channels take the values of `distribution` (`nets.density_net.DensityNet`).

    `shape` is that of its samples; densities are those of any size. With `classes` above 0 it is conditioned on labels.
    With `completion` it is conditioned on any set of known pixels as well, which a network without an order sees.
    """

    exact = True

    def __init__(
        self,
        shape: tuple[int, int, int],
        distribution: PixelDistribution,
        width: int,
        layers: int,
        kernel: int = 3,
        classes: int = 0,
        completion: bool = False,
    ) -> None:
        super().__init__()
        channels, height, image_width = self.shape = shape
        self.distribution = distribution
        self.latent_dim = height * image_width * distribution.uniforms
        self.receptive_rows = FIRST_VERTICAL[0] + layers * (kernel // 2)
        self.first_vertical = nn.Conv2d(channels, width, FIRST_VERTICAL)
        self.first_horizontal = nn.Conv2d(channels, width, (1, FIRST_HORIZONTAL))
        self.layers = nn.ModuleList(GatedLayer(width, kernel) for _ in range(layers))
        self.hidden = nn.Conv2d(width, width, 1)
        self.head = Head(width, distribution.parameters)
        self.label = nn.Embedding(classes, width) if classes else None
        self.context = ContextNet(channels + 1, width) if completion else None

    def condition(self, y: Tensor | None, known: Tensor | None = None) -> Tensor | None:
        """Return what labels int64 `[B]` and known pixels add to the vertical stack; None: nothing.

        `known` is an image with its mask, `[B, C + 1, H, W]` (`mask_image`). The result broadcasts to `[B, F, H, W]`.
        """
        if (y is None) != (self.label is None):
            raise UsageError("labels do not fit this model: give y to a model with classes, and only to such a model")
        total: Tensor | None = None if self.label is None else self.label(y)[:, :, None, None]
        if self.context is None:
            return total
        if known is None:
            known = self.first_vertical.weight.new_zeros(1, self.shape[0] + 1, *self.shape[1:])
        context: Tensor = self.context(known)
        return context if total is None else context + total

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the last features `[B, F, H, W]`; those of a pixel depend on the pixels before it alone."""
        side = FIRST_VERTICAL[1] // 2
        v = self.first_vertical(pad(x, (side, side, FIRST_VERTICAL[0], -1)))
        h = self.first_horizontal(pad(x, (FIRST_HORIZONTAL, -1, 0, 0)))
        if condition is not None:
            v = v + condition
        for layer in self.layers:
            v, h = layer(v, h)
        return relu(h)

    def outputs(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the parameters of each pixel's distribution, `[B, H, W, parameters]`, in one parallel pass."""
        hidden = relu(self.hidden(self.features(x, condition)))
        outputs: Tensor = self.head(hidden.permute(0, 2, 3, 1))
        return outputs

    def pixel_log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return log P of each pixel given those before it, `[B, H, W]`, in nats."""
        return self.distribution.log_prob(self.outputs(x, condition), x.permute(0, 2, 3, 1))

    def log_prob(self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return log P of images, `[B]`, in nats. It is exact and needs no generator."""
        check_values(self.distribution, x)
        return self.pixel_log_prob(x, self.condition(y)).sum((1, 2))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return samples `[B, C, H, W]` from standard normal noise `[B, latent_dim]`."""
        return sample_cached(self, self.uniforms(z), self.condition(y))

    def conditionals(self, batch: int, y: Tensor | None = None) -> Generator[Conditional, Tensor, None]:
        """Yield the distributions of an image's values step by step, and receive the values: what a coder needs.

        With the same batch, precision, threads and machine it gives the same bits, so a decoder has the encoder's.

            steps = net.conditionals(batch)
            step = next(steps)
            while ...:                                     # until StopIteration
                values = ...                               # indices of distribution.values, like index[step.place]
                step = steps.send(values)
        """
        return conditionals(self, batch, self.shape[1:], self.condition(y))

    def uniforms(self, z: Tensor) -> Tensor:
        """Return the uniform numbers of noise `[B, latent_dim]`, float64 in (0, 1), `[B, H, W, uniforms]`."""
        return to_uniform(z).reshape(len(z), *self.shape[1:], self.distribution.uniforms)

    def encode(self, x: Tensor) -> Tensor:
        """Return features `[B, width]`, float32: the mean over space of the last ones; labels are left out."""
        return self.features(x).mean((2, 3)).float()

    def protocol(self) -> dict[str, object]:
        """Return what a stated likelihood depends on."""
        return {"exact": True, "values": len(self.distribution.values), "order": "raster"}

    @torch.no_grad()
    def diagnostics(self, x: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Return `causality_leak`: the largest change of outputs up to a random pixel when it and later ones change."""
        height, width = x.shape[2:]
        pixel = int(torch.randint(height * width, (), generator=generator))
        values = self.distribution.values.to(x)
        noise = values[torch.randint(len(values), x.shape, generator=generator).to(x.device)]
        future = (torch.arange(height * width, device=x.device) >= pixel).view(height, width)
        change = (self.outputs(torch.where(future, noise, x)) - self.outputs(x)).abs().amax((0, 3))
        return {"causality_leak": float(change.flatten()[: pixel + 1].max())}

    def completes_exactly(self, known: Tensor) -> bool:
        """Return True where `complete` gives the exact log P(hole | known) for the mask `known` `[H, W]`.

        A network trained for completion does so for every mask, any other one where all known pixels come first.
        """
        return self.context is not None or bool((known.flatten().long().diff() <= 0).all())

    @torch.no_grad()
    def complete(self, x: Tensor, known: Tensor, z: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return fills of `x` `[B, C, H, W]` where `known` `[H, W]` is False, and log P of each fill, `[B]`, in nats.

        With `completion` this is P(hole | known) of a model conditioned on the known pixels on all sides, exactly. Else
        each pixel depends on those before it in raster order alone. The product over the hole is P(hole | known) only
        where all known pixels come first (`completes_exactly`). For other masks it is the probability with which this
        fill is drawn.
        """
        visible = None if self.context is None else mask_image(x, known)
        condition = self.condition(y, visible)
        fills = complete_cached(self, x, known, self.uniforms(z), condition)
        return fills, (self.pixel_log_prob(fills, condition) * ~known).sum((1, 2))

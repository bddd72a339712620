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
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle, relu

from sparring.engine.errors import UsageError
from sparring.nets.context_net import ContextNet
from sparring.nets.density_net import Conditional
from sparring.nets.layers import Head
from sparring.nets.pixel_distributions import PixelDistribution, check_values, to_uniform, values_of
from sparring.nets.pixelcnn_samplers import complete_cached, conditionals, sample_cached

Shape = tuple[int, int, int]
"""Channels, height and width."""
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
    """Images `[B, C, H, W]` of a discrete distribution (`nets.density_net.DensityNet`).

    It works on a grid whose places are blocks of `block` x `block` pixels, in raster order. `distribution` is that of
    the values of a block, its channels. Blocks of 2 are as exact as single pixels, and four times as fast. `shape` is
    that of samples; densities are those of any size that blocks divide. With `classes` above 0 it knows labels.
    With `completion` it is also conditioned on any set of known pixels, which a network without an order sees.
    """

    exact = True

    def __init__(
        self,
        shape: Shape,
        distribution: PixelDistribution,
        width: int,
        layers: int,
        kernel: int = 3,
        classes: int = 0,
        completion: bool = False,
        block: int = 1,
    ) -> None:
        super().__init__()
        if shape[1] % block or shape[2] % block:
            raise UsageError(f"blocks of {block} do not divide images of {shape[1]}x{shape[2]}: take blocks of 1")
        self.shape, self.block = shape, block
        self.grid = shape[1] // block, shape[2] // block
        self.distribution = distribution
        channels = distribution.channels
        self.latent_dim = self.grid[0] * self.grid[1] * distribution.uniforms
        self.receptive_rows = FIRST_VERTICAL[0] + layers * (kernel // 2)
        self.first_vertical = nn.Conv2d(channels, width, FIRST_VERTICAL)
        self.first_horizontal = nn.Conv2d(channels, width, (1, FIRST_HORIZONTAL))
        self.layers = nn.ModuleList(GatedLayer(width, kernel) for _ in range(layers))
        self.hidden = nn.Conv2d(width, width, 1)
        self.head = Head(width, distribution.parameters)
        self.label = nn.Embedding(classes, width) if classes else None
        self.context = ContextNet(2 * channels, width) if completion else None

    def to_grid(self, x: Tensor) -> Tensor:
        """Return images `[B, C, H, W]` as `[B, C block^2, H / block, W / block]`."""
        if x.shape[1] != self.shape[0] or x.shape[2] % self.block or x.shape[3] % self.block:
            raise UsageError(
                f"images of shape {tuple(x.shape[1:])} do not fit a model of shape {self.shape}"
                f"{f' in blocks of {self.block}' if self.block > 1 else ''}: convert them"
            )
        return pixel_unshuffle(x, self.block)

    def mask_to_grid(self, known: Tensor) -> Tensor:
        """Return masks `[B, 1, H, W]` of known pixels as masks of the grid's values, `[B, C block^2, h, w]`."""
        return pixel_unshuffle(known, self.block).repeat(1, self.shape[0], 1, 1)

    def condition(self, y: Tensor | None, x: Tensor | None = None, known: Tensor | None = None) -> Tensor | None:
        """Return what labels int64 `[B]` and known values add to the vertical stack; None: nothing.

        `x` and the mask `known` are on the grid; None: no value is known. The result broadcasts to `[B, F, h, w]`.
        """
        if (y is None) != (self.label is None):
            raise UsageError("labels do not fit this model: give y to a model with classes, and only to such a model")
        total: Tensor | None = None if self.label is None else self.label(y)[:, :, None, None]
        if self.context is None:
            return total
        if x is None or known is None:
            visible = self.first_vertical.weight.new_zeros(1, 2 * self.distribution.channels, *self.grid)
        else:
            visible = torch.cat([x * known, known.expand_as(x).to(x.dtype)], 1)
        context: Tensor = self.context(visible)
        return context if total is None else context + total

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map the grid to its last features `[B, F, h, w]`; those of a place depend on the places before it alone."""
        side = FIRST_VERTICAL[1] // 2
        v = self.first_vertical(pad(x, (side, side, FIRST_VERTICAL[0], -1)))
        h = self.first_horizontal(pad(x, (FIRST_HORIZONTAL, -1, 0, 0)))
        if condition is not None:
            v = v + condition
        for layer in self.layers:
            v, h = layer(v, h)
        return relu(h)

    def outputs(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map the grid to the parameters of each place, `[B, h, w, parameters]`, in one parallel pass."""
        hidden = relu(self.hidden(self.features(x, condition)))
        outputs: Tensor = self.head(hidden.permute(0, 2, 3, 1))
        return outputs

    def log_prob(self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return log P of images, `[B]`, in nats. It is exact and needs no generator."""
        check_values(self.distribution, x)
        x = self.to_grid(x)
        outputs = self.outputs(x, self.condition(y))
        return self.distribution.log_prob(outputs, x.permute(0, 2, 3, 1)).sum((1, 2))

    def log_prob_of_hole(self, x: Tensor, known: Tensor, y: Tensor | None = None) -> Tensor:
        """Return log P of the pixels where `known` `[B or 1, 1, H, W]` is False, `[B]`, as `complete` draws them."""
        x, known = self.to_grid(x), self.mask_to_grid(known)
        outputs = self.outputs(x, self.condition(y, x, known))
        log_p = self.distribution.channel_log_probs(outputs, x.permute(0, 2, 3, 1))
        return (log_p * ~known.permute(0, 2, 3, 1)).sum((1, 2, 3))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return samples `[B, C, H, W]` from standard normal noise `[B, latent_dim]`."""
        return pixel_shuffle(sample_cached(self, self.uniforms(z), self.condition(y)), self.block)

    def uniforms(self, z: Tensor) -> Tensor:
        """Return the uniform numbers of noise `[B, latent_dim]`, float64 in (0, 1), `[B, h, w, uniforms]`."""
        return to_uniform(z).reshape(len(z), *self.grid, self.distribution.uniforms)

    def conditionals(self, batch: int, y: Tensor | None = None) -> Generator[Conditional, Tensor, None]:
        """Yield the distributions of an image's values step by step, and receive the values: what a coder needs.

        With the same batch, precision, threads and machine it gives the same bits, so a decoder has the encoder's.

            steps = net.conditionals(batch)
            step = next(steps)
            while ...:                                     # until StopIteration
                values = ...                               # 0 to distribution.levels - 1, like index[step.place]
                step = steps.send(values)
        """
        return conditionals(self, batch, self.grid, self.condition(y))

    def encode(self, x: Tensor) -> Tensor:
        """Return features `[B, width]`, float32: the mean over space of the last ones; labels are left out."""
        return self.features(self.to_grid(x)).mean((2, 3)).float()

    def protocol(self) -> dict[str, object]:
        """Return what a stated likelihood depends on."""
        order = "raster" if self.block == 1 else f"raster of {self.block}x{self.block} blocks"
        return {"levels": self.distribution.levels, "order": order}

    @torch.no_grad()
    def diagnostics(self, x: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Return `causality_leak`: the largest change of outputs up to a random place when it and later ones change."""
        x = self.to_grid(x)
        height, width = x.shape[2:]
        place = int(torch.randint(height * width, (), generator=generator))
        levels = torch.randint(self.distribution.levels, x.shape, generator=generator).to(x.device)
        future = (torch.arange(height * width, device=x.device) >= place).view(height, width)
        noise = values_of(self.distribution, x)[levels]
        change = (self.outputs(torch.where(future, noise, x)) - self.outputs(x)).abs().amax((0, 3))
        return {"causality_leak": float(change.flatten()[: place + 1].max())}

    def completes_exactly(self, known: Tensor) -> bool:
        """Return True where `complete` gives the exact log P(hole | known) for the mask `known` `[H, W]`.

        A network trained for completion does so for every mask, any other one where all known values come first.
        """
        order = self.mask_to_grid(known[None, None]).permute(0, 2, 3, 1).flatten()
        return self.context is not None or bool((order[1:] <= order[:-1]).all())

    @torch.no_grad()
    def complete(self, x: Tensor, known: Tensor, z: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return fills of `x` `[B, C, H, W]` where `known` `[H, W]` is False, and log P of each fill, `[B]`, in nats.

        With `completion` this is P(hole | known) of a model conditioned on the known pixels on all sides, exactly. Else
        each value depends on those before it in raster order alone. The product over the hole is P(hole | known) only
        where all known values come first (`completes_exactly`). For other masks it is the probability with which this
        fill is drawn.
        """
        grid, mask = self.to_grid(x), self.mask_to_grid(known[None, None])
        condition = self.condition(y, grid, mask)
        fills = pixel_shuffle(complete_cached(self, grid, mask[0], self.uniforms(z), condition), self.block)
        return fills, self.log_prob_of_hole(fills, known[None, None], y)

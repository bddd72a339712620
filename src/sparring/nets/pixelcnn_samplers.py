"""Samplers of a PixelCNN: naive, row-wise and fixed-point ones to compare with, and the cached one that is in use.

All work on the network's grid of pixels or blocks (`PixelCNN.to_grid`), and take uniform numbers `u` `[B, H, W,
uniforms]`, float64 in (0, 1). For the same numbers they give the same pixels, up to rounding. Each value is one of the
distribution's before the next depends on it. So the distribution of the samples is the density of `PixelCNN.log_prob`.

The cached sampler keeps each convolution's recent inputs (Ramachandran et al. 2017, arXiv:1704.06001). It computes the
vertical stack once per row and the horizontal one once per pixel, with one matrix product per convolution.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, glu

from sparring.nets.density_net import Conditional
from sparring.nets.layers import Size
from sparring.nets.pixel_distributions import values_of

if TYPE_CHECKING:
    from sparring.nets.pixelcnn import GatedLayer, PixelCNN, ValueAndGate

glu_ = torch.ops.aten.glu.out
"""torch.nn.functional.glu into an existing tensor."""


def blank(net: PixelCNN, u: Tensor) -> Tensor:
    """Return zero images `[B, C, H, W]` for uniform numbers `u`, in the precision of the network."""
    like = net.first_vertical.weight
    return torch.zeros(u.shape[0], net.distribution.channels, *u.shape[1:3], dtype=like.dtype, device=like.device)


@torch.no_grad()
def sample_naive(net: PixelCNN, u: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return images `[B, C, H, W]` by a full pass for each pixel."""
    x = blank(net, u)
    for row in range(u.shape[1]):
        for column in range(u.shape[2]):
            outputs = net.outputs(x, condition)[:, row, column]
            x[:, :, row, column] = net.distribution.sample(outputs, u[:, row, column])
    return x


@torch.no_grad()
def sample_row_wise(net: PixelCNN, u: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return images `[B, C, H, W]` by a pass over the rows that a pixel depends on, for each pixel."""
    x = blank(net, u)
    for row in range(u.shape[1]):
        top = max(0, row - net.receptive_rows)
        rows = slice(top, row + 1)
        nearby = condition[:, :, rows] if condition is not None and condition.shape[2] > 1 else condition
        for column in range(u.shape[2]):
            outputs = net.outputs(x[:, :, rows], nearby)[:, -1, column]
            x[:, :, row, column] = net.distribution.sample(outputs, u[:, row, column])
    return x


@torch.no_grad()
def sample_fixed_point(net: PixelCNN, u: Tensor, condition: Tensor | None = None) -> tuple[Tensor, int]:
    """Return images `[B, C, H, W]` and the number of full passes after which no pixel changed any more.

    Pixel i of the raster order is final after pass i + 1 at the latest (Wiggers and Hoogeboom 2020, arXiv:2002.09928).
    """
    x = blank(net, u)
    passes = 0
    while True:
        after = net.distribution.sample(net.outputs(x, condition), u).permute(0, 3, 1, 2)
        passes += 1
        if torch.equal(x, after):
            return x, passes
        x = after


@torch.no_grad()
def sample_cached(net: PixelCNN, u: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return images `[B, C, H, W]` by one incremental pass."""
    steps = IncrementalPass(net, len(u), (u.shape[1], u.shape[2]), condition)
    noise = u.permute(1, 2, 0, 3).contiguous()
    for row in range(u.shape[1]):
        steps.start_row(row)
        for column, numbers in enumerate(noise[row].unbind()):
            steps.push(column, net.distribution.sample(steps.outputs(column), numbers))
    return steps.images()


@torch.no_grad()
def complete_cached(net: PixelCNN, x: Tensor, known: Tensor, u: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return `x` `[B, C, H, W]` with new values where `known` `[C, H, W]` is False, given the values before.

    Each value of a pixel takes one of its last C uniform numbers, by the inverse of its distribution function.
    """
    steps = IncrementalPass(net, len(u), (u.shape[1], u.shape[2]), condition)
    channels = x.shape[1]
    values = values_of(net.distribution, x)
    for row in range(u.shape[1]):
        steps.start_row(row)
        for column in range(u.shape[2]):
            outputs, pixel = steps.outputs(column), x[:, :, row, column].clone()
            for channel, given in enumerate(known[:, row, column].tolist()):
                if not given:
                    table = net.distribution.conditional(outputs, pixel, channel).double().exp().cumsum(-1)
                    number = u[:, row, column, channel - channels, None]
                    pixel[:, channel] = values[(number > table[:, :-1]).sum(1)]
            steps.push(column, pixel)
    return steps.images()


@torch.no_grad()
def conditionals(
    net: PixelCNN, batch: int, size: Size, condition: Tensor | None = None
) -> Generator[Conditional, Tensor, None]:
    """Yield the distribution of one value of the grid at a time (`Conditional`), and receive its level by `send`.

    Levels are int64 `[batch]`, from 0 to `net.distribution.levels` - 1.
    """
    steps, distribution = IncrementalPass(net, batch, size, condition), net.distribution
    for row in range(size[0]):
        steps.start_row(row)
        for column in range(size[1]):
            outputs = steps.outputs(column).double()
            pixel, values = outputs.new_zeros(batch, distribution.channels), values_of(distribution, outputs)
            for channel in range(distribution.channels):
                plane, inside = divmod(channel, net.block**2)
                place = plane, row * net.block + inside // net.block, column * net.block + inside % net.block
                p = distribution.conditional(outputs, pixel, channel).exp()
                pixel[:, channel] = values[(yield Conditional((slice(None), *place), p))]
            steps.push(column, pixel)


class IncrementalPass:
    """A pass of a PixelCNN over images that become known pixel after pixel: `start_row`, then `outputs` and `push`.

    What a step reads and writes are views that exist before the first step. So a step is three calls a layer.
    """

    def __init__(self, net: PixelCNN, batch: int, size: Size, condition: Tensor | None = None) -> None:
        self.condition, self.size = condition, size
        self.vertical, horizontal = net.first_vertical, net.first_horizontal
        channels, columns = net.distribution.channels, horizontal.kernel_size[1]
        rows, self.margin = self.vertical.kernel_size[0], self.vertical.kernel_size[1] // 2
        self.left, width = max(self.margin, columns), len(horizontal.weight)
        self.new = net.first_vertical.weight.new_zeros
        self.image = self.new(rows + size[0], batch, self.left + size[1] + self.margin, channels)
        self.first = bias_of(horizontal), matrix_of(horizontal.weight)
        self.columns, self.rows = columns, rows

        caches = [LayerCache(cast("GatedLayer", layer), batch, size[1]) for layer in net.layers]
        self.caches = caches
        last = self.new(batch, width)
        slots = [cache.slots for cache in caches] + [[last] * size[1]]
        self.entry, self.last = slots[0], last
        self.plan = [
            [
                (cache.from_above[c], cache.windows[c], cache.matrix, slots[k][c], cache.output, slots[k + 1][c])
                for k, cache in enumerate(caches)
            ]
            for c in range(size[1])
        ]
        self.gates, self.product = self.new(batch, 2 * width), self.new(batch, width)
        self.hidden = bias_of(net.hidden), matrix_of(net.hidden.weight)
        self.head = net.head.bias, net.head.weight.t().contiguous()

    def start_row(self, row: int) -> None:
        """Run the vertical stack for a row: it depends on the rows above alone."""
        self.row = self.image[self.rows + row].flatten(1)
        above = self.image[row : row + self.rows, :, self.left - self.margin :].permute(1, 3, 0, 2)
        v = conv2d(above, self.vertical.weight, self.vertical.bias)
        if self.condition is not None:
            v = v + (self.condition[:, :, row : row + 1] if self.condition.shape[2] > 1 else self.condition)
        v = v[:, :, 0].permute(2, 0, 1).flatten(0, 1)
        for cache in self.caches:
            v = cache.start_row(v)

    def outputs(self, column: int) -> Tensor:
        """Return the parameters of a pixel's distribution, `[B, parameters]`, given all pixels that were pushed."""
        channels = self.image.shape[3]
        window = self.row[:, (self.left + column - self.columns) * channels : (self.left + column) * channels]
        torch.addmm(self.first[0], window, self.first[1], out=self.entry[column])
        gates, product = self.gates, self.product
        for from_above, recent, matrix, before, output, after in self.plan[column]:
            torch.addmm(from_above, recent, matrix, out=gates)
            glu_(gates, 1, out=product)
            torch.addmm(before, product, output, out=after)
        hidden = torch.addmm(self.hidden[0], self.last.relu_(), self.hidden[1]).relu_()
        return torch.addmm(self.head[0], hidden, self.head[1])

    def push(self, column: int, pixel: Tensor) -> None:
        """Take the values `[B, C]` of the pixel of this row and column."""
        channels = self.image.shape[3]
        self.row[:, (self.left + column) * channels : (self.left + column + 1) * channels] = pixel

    def images(self) -> Tensor:
        """Return the images `[B, C, H, W]`."""
        image = self.image[self.rows :, :, self.left : self.left + self.size[1]]
        return image.permute(1, 3, 0, 2).contiguous()


def matrix_of(weight: Tensor) -> Tensor:
    """Return the weight of a convolution as the matrix `[kernel height * kernel width * inputs, outputs]`."""
    return weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous()


def bias_of(convolution: nn.Conv2d) -> Tensor:
    """Return the bias of a convolution, zeros where it has none."""
    return convolution.weight.new_zeros(convolution.out_channels) if convolution.bias is None else convolution.bias


def joint(pair: ValueAndGate) -> tuple[Tensor, Tensor]:
    """Return the weights and biases of the two convolutions as those of one, value first."""
    both = pair.value, pair.gate
    return torch.cat([conv.weight for conv in both]), torch.cat([bias_of(conv) for conv in both])


class LayerCache:
    """What one layer keeps: the last rows of its vertical input, and the row so far of its horizontal input.

    The horizontal input is `[B, (margin + W) * F]`. A convolution's window `[B, columns * F]` is a view of it, which
    is the left factor of its matrix product. Rows of the vertical input are `[(margin + W + margin) * B, F]`: a
    convolution is a product for each of its taps, which are views as well.
    """

    def __init__(self, layer: GatedLayer, batch: int, image_width: int) -> None:
        weight, self.bias = joint(layer.vertical)
        outputs, width, rows, columns = weight.shape
        m, new = layer.margin, weight.new_zeros
        self.taps = weight.permute(2, 3, 1, 0).contiguous()
        kept = [new((image_width + 2 * m) * batch, width) for _ in range(rows)]
        self.windows_above = [[row[c * batch : (c + image_width) * batch] for c in range(columns)] for row in kept]
        link, link_bias = joint(layer.link)
        self.link = link_bias, matrix_of(link)
        self.matrix, self.output = matrix_of(joint(layer.horizontal)[0]), matrix_of(layer.output.weight)
        row = new(batch, (m + image_width) * width)
        self.windows = [row[:, c * width : (c + m + 1) * width] for c in range(image_width)]
        self.slots = [row[:, (c + m) * width : (c + m + 1) * width] for c in range(image_width)]
        self.gates, self.link_product = (new(image_width * batch, outputs) for _ in range(2))
        self.from_above = self.link_product.view(image_width, batch, outputs)

    def start_row(self, v: Tensor) -> Tensor:
        """Map the vertical input of a row `[W * B, F]` to its output; keep what joins the horizontal gates."""
        self.windows_above.append(self.windows_above.pop(0))  # the oldest row makes room
        last = self.windows_above[-1]
        last[len(last) // 2].copy_(v)
        self.gates.copy_(self.bias)
        for windows, taps in zip(self.windows_above, self.taps, strict=True):
            for window, tap in zip(windows, taps, strict=True):
                self.gates.addmm_(window, tap)
        v = v + glu(self.gates, 1)
        torch.addmm(self.link[0], v, self.link[1], out=self.link_product)
        return v

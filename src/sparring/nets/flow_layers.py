"""Invertible layers of flows: each maps x to (z, log |det dz/dx|) and back (Kingma and Dhariwal 2018, Glow).

Scales, log-determinants and priors are computed in the precision of the weights. Only the networks inside the coupling
layers run under autocast.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu

from sparring.engine import dist

LOG_SCALE_BOUND = 2.0
"""Largest |log s| of a coupling layer or prior. Small scales would make the inverse infinite."""
Mapped = tuple[Tensor, Tensor]
"""Latent values, and the log-determinant, `[B]` or a scalar that is the same for all rows."""


class Layer(Protocol):
    """An invertible map of images `[B, C, H, W]`, given labels `[B]` or None."""

    def __call__(self, x: Tensor, y: Tensor | None) -> Mapped:
        """Map x to z and the log-determinant."""
        ...

    def inverse(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Map z to x."""
        ...


def bounded(raw: Tensor, bound: float = LOG_SCALE_BOUND) -> Tensor:
    """Return c tanh(raw / c): `raw` near 0, and never beyond +-c."""
    return bound * torch.tanh(raw / bound)


def no_autocast(x: Tensor) -> torch.autocast:
    """Return a context in which operations on `x` keep its precision; the meta device has no autocast of its own."""
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)


class ActNorm(nn.Module):
    """z = exp(log_scale) (x + shift) for each channel (section 3.1). `start` gives z mean 0 and variance 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Standardise the channels of `x` `[B, C, H, W]`, over all processes."""
        moments = [x.mean((0, 2, 3)), x.square().mean((0, 2, 3))]
        dist.average_(moments)
        mean, square = moments
        self.shift.copy_(-mean[:, None, None])
        self.log_scale.copy_(-(square - mean.square()).clamp(1e-6).log()[:, None, None] / 2)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Mapped:
        """Map x to z."""
        return (x + self.shift) * self.log_scale.exp(), self.log_scale.sum() * math.prod(x.shape[2:])

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map z to x."""
        return z * (-self.log_scale).exp() - self.shift


class Invertible1x1(nn.Module):
    """An invertible 1x1 convolution W = P L (U + diag(sign exp(log_scale))) (section 3.2, Eq. 10), at first a rotation.

    P is a fixed permutation, L and U are triangular, with ones and zeros on the diagonal.
    """

    order: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels, device="cpu"))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        device = torch.zeros(()).device
        self.lower = nn.Parameter(lower.tril(-1).to(device))
        self.upper = nn.Parameter(upper.triu(1).to(device))
        self.log_scale = nn.Parameter(upper.diagonal().abs().log().to(device))
        self.register_buffer("order", permutation.argmax(1).to(device))
        self.register_buffer("sign", upper.diagonal().sign().to(device, torch.int8))

    def factors(self) -> tuple[Tensor, Tensor]:
        """Return L and U + diag(s), `[C, C]`."""
        eye = torch.eye(len(self.sign), dtype=self.lower.dtype, device=self.lower.device)
        return self.lower.tril(-1) + eye, self.upper.triu(1) + torch.diag(self.sign * self.log_scale.exp())

    def forward(self, x: Tensor, y: Tensor | None = None) -> Mapped:
        """Map x to z = W x at each pixel."""
        with no_autocast(x):
            lower, upper = self.factors()
            weight = (lower @ upper)[self.order]
            return conv2d(x, weight[:, :, None, None]), self.log_scale.sum() * math.prod(x.shape[2:])

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map z to x = W^-1 z at each pixel."""
        with no_autocast(z):
            lower, upper = self.factors()
            eye = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
            unpermuted = torch.linalg.solve_triangular(lower, eye[:, self.order], upper=False)
            weight = torch.linalg.solve_triangular(upper, unpermuted, upper=True)
            return conv2d(z, weight[:, :, None, None])


class ConvNet(nn.Module):
    """Images, coordinates and labels -> two maps, at first zero: 3x3, 1x1 and 3x3 convolutions with rectifiers.

    The coordinates, in [-1, 1], show it where in the image it is.
    """

    coordinates: Tensor

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], hidden: int, classes: int = 0) -> None:
        super().__init__()
        rows, columns = (torch.linspace(-1, 1, side) if side > 1 else torch.ones(1) for side in size)
        self.register_buffer("coordinates", torch.stack(torch.meshgrid(rows, columns, indexing="ij")), persistent=False)
        self.first = nn.Conv2d(inputs + 2, hidden, 3, padding=1)
        self.middle = nn.Conv2d(hidden, hidden, 1)
        self.last = nn.Conv2d(hidden, 2 * outputs, 3, padding=1)
        self.embedding = nn.Embedding(classes, hidden) if classes else None
        for parameter in (*self.last.parameters(), *(self.embedding.parameters() if self.embedding else ())):
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map `[B, inputs, H, W]` to two maps `[B, outputs, H, W]`, in the precision of `x`."""
        h = self.first(torch.cat([x, self.coordinates.expand(len(x), -1, -1, -1)], 1))
        if self.embedding is not None and y is not None:
            h = h + self.embedding(y)[:, :, None, None]
        h = self.last(relu(self.middle(relu(h))))
        first, second = h.to(x.dtype).chunk(2, 1)
        return first, second


class Coupling(nn.Module):
    """z_2 = s x_2 + t with (log s, t) = net(x_1), z_1 = x_1; the parts are halves of the channels (Dinh et al. 2017).

    `swap` makes the first half the one that changes.
    """

    def __init__(self, channels: int, size: tuple[int, int], hidden: int, classes: int, swap: bool) -> None:
        super().__init__()
        self.parts, self.swap = [channels - channels // 2, channels // 2], swap
        self.net = ConvNet(self.parts[swap], self.parts[not swap], size, hidden, classes)

    def forward(self, x: Tensor, y: Tensor | None) -> Mapped:
        """Map x to z."""
        parts = list(torch.split(x, self.parts, 1))
        raw, shift = self.net(parts[self.swap], y)
        log_scale = bounded(raw)
        parts[not self.swap] = parts[not self.swap] * log_scale.exp() + shift
        return torch.cat(parts, 1), log_scale.flatten(1).sum(1)

    def inverse(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Map z to x."""
        parts = list(torch.split(z, self.parts, 1))
        raw, shift = self.net(parts[self.swap], y)
        parts[not self.swap] = (parts[not self.swap] - shift) * (-bounded(raw)).exp()
        return torch.cat(parts, 1)


class CheckerboardCoupling(nn.Module):
    """A coupling whose parts are the fields of a checkerboard, for one channel (Dinh et al. 2017, section 3.4).

    A single pixel changes by a learned scale and shift.
    """

    mask: Tensor

    def __init__(self, channels: int, size: tuple[int, int], hidden: int, classes: int, swap: bool) -> None:
        super().__init__()
        rows, columns = (torch.arange(side) for side in size)
        kept = (rows[:, None] + columns) % 2 == int(swap) if math.prod(size) > 1 else torch.zeros(1, 1)
        self.register_buffer("mask", kept.to(torch.int8), persistent=False)
        self.net = ConvNet(channels, channels, size, hidden, classes)

    def forward(self, x: Tensor, y: Tensor | None) -> Mapped:
        """Map x to z."""
        log_scale, shift = self._scale_and_shift(x, y)
        return x * log_scale.exp() + shift, log_scale.flatten(1).sum(1)

    def inverse(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Map z to x."""
        log_scale, shift = self._scale_and_shift(z, y)
        return (z - shift) * (-log_scale).exp()

    def _scale_and_shift(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return log s and t, 0 where x does not change."""
        raw, shift = self.net(x * self.mask, y)
        return bounded(raw) * (1 - self.mask), shift * (1 - self.mask)


class Squeeze(nn.Module):
    """Blocks of `rows` x `columns` pixels become channels. It is a permutation: the log-determinant is 0."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, x: Tensor, y: Tensor | None = None) -> Mapped:
        """Map `[B, C, H, W]` to `[B, C rows columns, H / rows, W / columns]`."""
        batch, channels, height, width = x.shape
        blocks = x.reshape(batch, channels, height // self.rows, self.rows, width // self.columns, self.columns)
        z = blocks.permute(0, 1, 3, 5, 2, 4).reshape(batch, -1, height // self.rows, width // self.columns)
        return z.contiguous(memory_format=torch.channels_last), x.new_zeros(())

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map it back."""
        batch, _, height, width = z.shape
        blocks = z.reshape(batch, -1, self.rows, self.columns, height, width).permute(0, 1, 4, 2, 5, 3)
        return blocks.reshape(batch, -1, height * self.rows, width * self.columns)

"""A multiscale coupling flow for images of any size and number of channels (Kingma and Dhariwal 2018, Glow)."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from sparring.engine.errors import UsageError
from sparring.nets.dequantisation import Dequantisation, DequantisedFlow
from sparring.nets.flow_diagnostics import log_condition_number, round_trips
from sparring.nets.flow_layers import (
    ActNorm,
    CheckerboardCoupling,
    Coupling,
    Invertible1x1,
    Layer,
    Mapped,
    Squeeze,
    bounded,
    no_autocast,
)

CONDITION_ROWS = 4
"""Images at which the condition number is computed."""
RANGE_TOLERANCE = 1e-3
"""Rounding error of images, beyond which their values are refused."""
MIN_PIXELS = 16
"""Number of pixels below which an image is squeezed no further."""


def squeezes(height: int, width: int, levels: int | None = None) -> list[tuple[int, int]]:
    """Return the factors by which each level divides height and width: 2 where a side is even, else 1.

    Odd sides are never padded. The first level divides if it can, so that there are channels to couple; later ones
    divide while `MIN_PIXELS` pixels remain. Without an even side there is one level that divides nothing.

    >>> squeezes(28, 28), squeezes(7, 6), squeezes(5, 3)
    ([(2, 2), (2, 2)], [(1, 2)], [(1, 1)])
    """
    factors: list[tuple[int, int]] = []
    while levels is None or len(factors) < levels:
        rows, columns = 2 - height % 2, 2 - width % 2
        height, width = height // rows, width // columns
        if factors and (rows * columns == 1 or height * width < MIN_PIXELS):
            break
        factors.append((rows, columns))
        if rows * columns == 1:
            break
    return factors


class Prior(nn.Module):
    """Independent normal distributions whose means and log standard deviations come from the kept channels.

    Without kept channels they are learned for each position, and for each class.
    """

    def __init__(self, kept: int, channels: int, size: tuple[int, int], classes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2 * channels, *size))
        self.weight = nn.Parameter(torch.zeros(2 * channels, kept, 3, 3)) if kept else None
        self.embedding = nn.Embedding(classes, 2 * channels) if classes else None
        if self.embedding is not None:
            nn.init.zeros_(self.embedding.weight)

    def standardise(self, z: Tensor, kept: Tensor | None, y: Tensor | None) -> Mapped:
        """Map z to standard normal noise."""
        mean, log_std = self._mean_and_log_std(z, kept, y)
        log_det = -log_std.flatten(1).sum(1)
        return (z - mean) * (-log_std).exp(), log_det

    def scale(self, noise: Tensor, kept: Tensor | None, y: Tensor | None) -> Tensor:
        """Map standard normal noise to z."""
        mean, log_std = self._mean_and_log_std(noise, kept, y)
        return noise * log_std.exp() + mean

    def _mean_and_log_std(self, z: Tensor, kept: Tensor | None, y: Tensor | None) -> tuple[Tensor, Tensor]:
        parameters = self.bias.expand(len(z), -1, -1, -1)
        if self.weight is not None and kept is not None:
            with no_autocast(kept):
                parameters = parameters + conv2d(kept, self.weight, padding=1)
        if self.embedding is not None and y is not None:
            parameters = parameters + self.embedding(y)[:, :, None, None]
        mean, raw = parameters.chunk(2, 1)
        return mean, bounded(raw)


class Level(nn.Module):
    """A squeeze, `steps` times [actnorm, 1x1 convolution, coupling], and the prior of the channels that leave."""

    def __init__(
        self, channels: int, size: tuple[int, int], factors: tuple[int, int], *, last: bool, steps: int, hidden: int,
        classes: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channels = channels * factors[0] * factors[1]
        self.size = size[0] // factors[0], size[1] // factors[1]
        coupling = Coupling if self.channels > 1 else CheckerboardCoupling
        layers: list[ActNorm | Invertible1x1 | Coupling | CheckerboardCoupling | Squeeze] = [Squeeze(*factors)]
        for step in range(steps):
            mix = [Invertible1x1(self.channels)] if self.channels > 1 else []
            change = coupling(self.channels, self.size, hidden, classes, step % 2 == 1)
            layers += [ActNorm(self.channels), *mix, change]
        self.layers = nn.ModuleList(layers)
        self.kept = 0 if last else self.channels // 2
        self.leaving = self.channels - self.kept
        self.prior = Prior(self.kept, self.leaving, self.size, classes)

    def start(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Start the actnorm layers with the values that reach them; return the kept channels."""
        for layer in self.layers:
            if isinstance(layer, ActNorm):
                layer.start(x)
            x = layer(x, y)[0]
        return x[:, self.leaving :]

    def forward(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor]:
        """Map x to the noise of the leaving channels, the kept channels and the log-determinant `[B]`."""
        log_det = x.new_zeros(len(x))
        for layer in self.layers:
            x, change = layer(x, y)
            log_det = log_det + change
        leaving, kept = x[:, : self.leaving], x[:, self.leaving :] if self.kept else None
        noise, change = self.prior.standardise(leaving, kept, y)
        return noise, kept, log_det + change

    def inverse(self, noise: Tensor, kept: Tensor | None, y: Tensor | None) -> Tensor:
        """Map noise and kept channels to x."""
        x = self.prior.scale(noise, kept, y)
        x = x if kept is None else torch.cat([x, kept], 1)
        for layer in reversed(cast(list[Layer], list(self.layers))):
            x = layer.inverse(x, y)
        return x


class ImageFlow(DequantisedFlow):
    """Standard normal noise `[B, C H W]` <-> images `[B, C, H, W]` in [-1, 1] of `values` grey values, with log p.

    `levels` None: as many as the size allows. `hidden` channels of the coupling networks; `noise_hidden` those of the
    dequantisation, 0: uniform. The actnorm layers start with the first images that `log_prob` gets in training.
    """

    def __init__(
        self, shape: tuple[int, int, int], *, levels: int | None = None, steps: int = 8, hidden: int = 64,
        classes: int = 0, values: int = 256, alpha: float = 1e-6, noise_hidden: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(shape, shape)
        channels, height, width = shape
        self.dequantisation = Dequantisation(shape, values, alpha, noise_hidden, classes)
        factors = squeezes(height, width, levels)
        self.levels = nn.ModuleList()
        for number, factor in enumerate(factors):
            last = number == len(factors) - 1
            level = Level(channels, (height, width), factor, last=last, steps=steps, hidden=hidden, classes=classes)
            self.levels.append(level)
            channels, (height, width) = level.kept, level.size

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise to images; the gradient passes the rounding to grey values straight through."""
        x: Tensor = self.dequantisation.to_images(self.inverse(z, y))
        return x

    def bound(self, x: Tensor, noise: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the bound of log P(x) `[B]` by one draw of standard normal noise of the shape of x."""
        self.check(x)
        if not self.training and not x.is_meta and not (x.abs() <= 1 + RANGE_TOLERANCE).all():
            raise UsageError("the images have values outside -1 to 1: a flow has probabilities of grey values alone")
        logits, log_ratio = self.dequantisation(x, noise, y)
        if self.training and not x.is_meta and not self.started:
            self.start(logits, y)
        z, log_det = self.transform(logits, y)
        log_prior = -(z.square().sum(1) + z.shape[1] * math.log(2 * math.pi)) / 2
        bound: Tensor = log_ratio + log_det + log_prior
        return bound

    def transform(self, logits: Tensor, y: Tensor | None = None) -> Mapped:
        """Map logits `[B, C, H, W]` to noise `[B, C H W]` and the log-determinant `[B]`."""
        noise: list[Tensor] = []
        log_det, kept = logits.new_zeros(len(logits)), logits
        for level in self.levels:
            leaving, kept, change = level(kept, y)
            noise.append(leaving.flatten(1))
            log_det = log_det + change
        return torch.cat(noise, 1), log_det

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise `[B, C H W]` to logits `[B, C, H, W]`."""
        levels = cast(list[Level], list(self.levels))
        parts = torch.split(z, [level.leaving * math.prod(level.size) for level in levels], 1)
        kept: Tensor | None = None
        for level, part in zip(reversed(levels), reversed(parts), strict=True):
            kept = level.inverse(part.view(len(z), level.leaving, *level.size), kept, y)
        assert kept is not None
        return kept

    def encode(self, x: Tensor) -> Tensor:
        """Return the noise `[B, C H W]` of images, each grey value at the median of its step."""
        return self.transform(self.dequantisation(x, torch.zeros_like(x), None)[0])[0]

    @torch.no_grad()
    def diagnostics(self, x: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Return log10 of the condition number between noise and logits, and figures of round trips to grey values.

        A row comes back where each grey value is less than one step off. Their error is on a scale of 0 to 1.
        """
        noise = torch.randn(x.shape, generator=generator, device="cpu").to(x.device, x.dtype)
        logits, _ = self.dequantisation(x, noise, None)
        z, _ = self.transform(logits)
        to_unit = self.dequantisation.to_unit
        trips = round_trips(to_unit(logits), to_unit(self.inverse(z)), z, 1 / self.dequantisation.values)
        rows = logits[:CONDITION_ROWS]
        condition = log_condition_number(lambda v: self.transform(v)[0], self.inverse, rows, generator)
        return {"condition_number": condition, **trips}

    def protocol(self) -> dict[str, object]:
        """Return what the stated likelihood depends on."""
        kind = "uniform" if self.dequantisation.net is None else "variational"
        return {"dequantisation": kind, "draws": self.draws, "alpha": self.dequantisation.alpha}

    @torch.no_grad()
    def start(self, logits: Tensor, y: Tensor | None) -> None:
        """Start the actnorm layers with logits `[B, C, H, W]`."""
        for level in cast(list[Level], list(self.levels)):
            logits = level.start(logits, y)
        self.started.fill_(1)

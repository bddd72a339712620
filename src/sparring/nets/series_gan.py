"""A causal generator of series of any length, and a discriminator at three time scales.

The generator is a temporal convolutional network on noise (Wiese et al. 2020, "Quant GANs", section 4), scaled by a
level and a spread of the window that are numbers of their own (Lin et al. 2020, "DoppelGANger", section 4.1.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, leaky_relu, relu

from sparring.nets.layers import Head, LabelEmbedding, VectorEmbedding, conditional_logits

NOISE = 4
"""Noise numbers at each step, beside those of the window."""
WAVES = 8
"""Sines and cosines of the step that the generator sees; their frequencies are learnt."""
KERNEL = 3
SCALES = (1, 4, 16)
"""Steps that are averaged before the discriminator sees them."""
SHORTEST = 4
"""Steps from which a scale of the discriminator is not halved further."""
BOUND = 4.0
"""Bound of coded log-returns, which are close to normal: what the generator overdoes there, decoding would blow up."""
SLOPE = 0.2
CONDITION_FEATURES = 32
SPREAD_EPS = 1e-3
"""Variance below which the discriminator sees no difference of spreads."""


class StepNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each step of `[B, C, T]`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, C, T]` to the same shape."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class CausalBlock(nn.Module):
    """A residual block of one dilated convolution, scaled and shifted by the window's noise; it shortens the series."""

    def __init__(self, width: int, condition: int, dilation: int) -> None:
        super().__init__()
        self.cut = (KERNEL - 1) * dilation
        self.norm = StepNorm(width)
        self.modulation = nn.Conv1d(condition, 2 * width, 1)
        self.conv = nn.Conv1d(width, width, KERNEL, dilation=dilation)
        self.out = nn.Conv1d(width, width, 1)
        nn.init.normal_(self.modulation.weight, 0, 0.1)
        nn.init.zeros_(self.modulation.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Map `[B, width, T]` and conditions `[B, condition, 1 or T]` to `[B, width, T - cut]`."""
        scale, shift = self.modulation(c).chunk(2, 1)
        update = relu(self.norm(h) * (1 + scale) + shift)
        update = self.out(relu(self.conv(update)))
        result: Tensor = h[:, :, self.cut :] + update
        return result


class SeriesGenerator(nn.Module):
    """Noise `[B, latent_dim]` (and labels `[B]`, or vectors `[B, K]`) -> coded series `[B, C, length]`.

    Set `length` for series of another length, which take noise of another size. `starts` are channels whose first
    number is the level from which the series goes on. Beyond `window` steps the noise of the window turns, with
    constant variance, into that of the next one. Every step sees the same number of earlier noise numbers.
    """

    def __init__(
        self,
        channels: int,
        window: int,
        starts: Sequence[bool],
        latent_dim: int,
        width: int,
        classes: int = 0,
        condition_stats: Sequence[tuple[float, float]] = (),
    ) -> None:
        super().__init__()
        self.window = self.length = window
        self.window_noise = latent_dim
        self.embedding: nn.Module | None = LabelEmbedding(classes, latent_dim) if classes else None
        if condition_stats:
            self.embedding = VectorEmbedding(condition_stats, latent_dim)
        condition = latent_dim * (1 if self.embedding is None else 2)
        self.frequencies = nn.Parameter(torch.logspace(-math.log10(2 * window), math.log10(0.4), WAVES))
        self.register_buffer("starts", torch.tensor(starts), persistent=False)
        self.entry = nn.Conv1d(NOISE + 2 * WAVES, width, 1)
        dilations = [1 << k for k in range(max(window.bit_length() - 2, 1))]
        self.blocks = nn.ModuleList(CausalBlock(width, condition, dilation) for dilation in dilations)
        self.norm = StepNorm(width)
        self.shape = nn.Conv1d(width, channels, 1)
        self.statistics = nn.Sequential(
            nn.Conv1d(condition, width, 1), nn.LeakyReLU(SLOPE), nn.Conv1d(width, 3 * channels, 1)
        )
        self.warm_up = sum(block.cut for block in self.blocks)  # type: ignore[misc]

    starts: Tensor

    @property
    def latent_dim(self) -> int:
        """Noise numbers of a series of `length` steps."""
        return self.window_noise * self._windows + NOISE * (self.length + self.warm_up)

    @property
    def _windows(self) -> int:
        return 1 if self.length <= self.window else -(-self.length // self.window) + 1

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise (and labels) to coded series."""
        count = self.window_noise * self._windows
        window, noise = z[:, :count], z[:, count:]
        condition = self._path(window.view(len(z), self._windows, -1))
        if self.embedding is not None and y is not None:
            embedded = self.embedding(y)[:, :, None].expand(-1, -1, condition.shape[2])
            condition = torch.cat([condition, embedded], 1)
        h = self.entry(torch.cat([noise.view(len(z), NOISE, -1), self._waves(len(z), z)], 1))
        for block in self.blocks:
            h = block(h, condition[:, :, -h.shape[2] :])
        level, spread, start = self.statistics(condition[:, :, -self.length :]).float().chunk(3, 1)
        x = level + spread.exp() * self.shape(relu(self.norm(h))).float()
        x = torch.where(self.starts[:, None], BOUND * torch.tanh(x / BOUND), x)
        first = torch.where(self.starts[:, None], start[:, :, :1], x[:, :, :1])
        return torch.cat([first, x[:, :, 1:]], 2)

    def _path(self, draws: Tensor) -> Tensor:
        """Return the window's noise at each step, `[B, latent, 1 or warm_up + length]`, from draws `[B, W, latent]`."""
        if self._windows == 1:
            return draws.transpose(1, 2)
        place = torch.arange(self.length, device=draws.device, dtype=draws.dtype) / self.window
        place = torch.cat([place.new_zeros(self.warm_up), place])
        first = place.long()
        angle = (place - first) * (math.pi / 2)
        draws = draws.transpose(1, 2)
        return draws[:, :, first] * angle.cos() + draws[:, :, first + 1] * angle.sin()

    def _waves(self, count: int, like: Tensor) -> Tensor:
        steps = torch.arange(-self.warm_up, self.length, device=like.device, dtype=torch.float32)
        angle = 2 * math.pi * self.frequencies[:, None].float() * steps
        return torch.cat([angle.sin(), angle.cos()]).to(like.dtype).expand(count, -1, -1)


class Scale(nn.Module):
    """Strided convolutions over series `[B, channels, T]` -> features `[B, feature_count]`."""

    def __init__(self, channels: int, length: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(channels, width, min(5, length), padding=min(5, length) // 2)]
        length = length + 2 * (min(5, length) // 2) - min(5, length) + 1
        while length > SHORTEST:
            layers.append(nn.Conv1d(width, width, 4, 2, 1))
            length //= 2
        self.layers = nn.ModuleList(layers)
        self.feature_count = width * length
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, SLOPE)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map series to features."""
        for layer in self.layers:
            x = leaky_relu(layer(x), SLOPE)
        return x.flatten(1)


class SeriesDiscriminator(nn.Module):
    """Coded series `[B, C, length]` (and labels `[B]`, or vectors `[B, K]`) -> logits `[B]`.

    Each scale sees averages of the values and of their absolute values. Level, spread and start of the whole window
    are further inputs. Labels choose among outputs, vectors are projected, as for images (`nets/strided_gan.py`).
    """

    starts: Tensor

    def __init__(
        self,
        channels: int,
        length: int,
        starts: Sequence[bool],
        width: int,
        classes: int = 0,
        condition_stats: Sequence[tuple[float, float]] = (),
    ) -> None:
        super().__init__()
        self.register_buffer("starts", torch.tensor(starts), persistent=False)
        self.factors = [factor for factor in SCALES if length >= factor]
        self.scales = nn.ModuleList(Scale(2 * channels, length // factor, width) for factor in self.factors)
        self.statistics = nn.Sequential(nn.Linear(4 * channels, width), nn.LeakyReLU(SLOPE))
        features = sum(scale.feature_count for scale in self.scales) + width  # type: ignore[misc]
        self.mix = nn.Linear(features, 4 * width)
        self.embedding = VectorEmbedding(condition_stats, CONDITION_FEATURES) if condition_stats else None
        self.head = Head(4 * width, (CONDITION_FEATURES if condition_stats else classes) + 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Map coded series (and labels) to logits, positive for real."""
        start = x[:, :, 0]
        moves = torch.where(self.starts[:, None] & (torch.arange(x.shape[2], device=x.device) == 0), 0, x)
        both = torch.cat([moves, moves.abs()], 1)
        parts = [
            scale(both if factor == 1 else avg_pool1d(both, factor))
            for scale, factor in zip(self.scales, self.factors, strict=True)
        ]
        mean, variance = moves.mean(2), moves.var(2, correction=0)
        size = moves.abs().mean(2)
        statistics = torch.cat([mean, (variance + SPREAD_EPS).log(), size, start], 1)
        h = leaky_relu(self.mix(torch.cat([*parts, self.statistics(statistics)], 1)), SLOPE)
        logits: Tensor = self.head(h)
        return conditional_logits(logits, y, self.embedding)

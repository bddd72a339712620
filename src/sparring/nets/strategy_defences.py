"""Ways to hide what a strategy does: noise, a random ensemble, delay, medians, smoothing.

Each wraps strategies, maps bars `[B, 5, T]` to scores `[B]`, and is differentiable. Random ones draw from the global
random state of torch, which attacks seed (`attacks.wrappers.eot`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sparring.nets.price_features import volatility


class NoisyInput(nn.Module):
    """A strategy that sees prices with noise: each bar moved by a normal log return of `scale` volatilities."""

    def __init__(self, strategy: nn.Module, scale: float = 0.2) -> None:
        super().__init__()
        self.strategy, self.scale = strategy, scale

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores; each call draws anew."""
        return cast(Tensor, self.strategy(noisy_bars(bars, self.scale, torch.randn_like(bars[:, 3]))))


class SmoothedInput(nn.Module):
    """The mean score over `draws` noisy views of the bars, with the same noise at each call (randomised smoothing)."""

    noise: Tensor

    def __init__(self, strategy: nn.Module, length: int, scale: float = 0.5, draws: int = 8, seed: int = 0) -> None:
        super().__init__()
        self.strategy, self.scale = strategy, scale
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("noise", torch.randn(draws, length, generator=generator, dtype=torch.float64))

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores."""
        noise = self.noise[:, -bars.shape[2] :].to(bars)
        scores = [self.strategy(noisy_bars(bars, self.scale, each.expand_as(bars[:, 3]))) for each in noise]
        return torch.stack(scores).mean(0)


class RandomMember(nn.Module):
    """An ensemble of which one member decides at each bar, drawn at random."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores; each call draws anew, a member for each row."""
        scores = torch.stack([member(bars) for member in self.members], 1)
        return scores.gather(1, torch.randint(len(self.members), (len(bars), 1), device=bars.device)).squeeze(1)


class MeanScore(nn.Module):
    """The mean score of several strategies."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores."""
        return torch.stack([member(bars) for member in self.members]).mean(0)


class Delayed(nn.Module):
    """A strategy that does not read the last `delay` bars."""

    def __init__(self, strategy: nn.Module, delay: int = 1) -> None:
        super().__init__()
        self.strategy, self.delay = strategy, delay

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores."""
        return cast(Tensor, self.strategy(bars[:, :, : -self.delay]))


class MedianInput(nn.Module):
    """A strategy that reads medians: each entry of a bar is the median over it and the `width` - 1 bars before."""

    def __init__(self, strategy: nn.Module, width: int = 3) -> None:
        super().__init__()
        self.strategy, self.width = strategy, width

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores."""
        return cast(Tensor, self.strategy(self.medians(bars)))

    def medians(self, bars: Tensor) -> Tensor:
        """Return the medians of the bars, `[B, 5, T - width + 1]`."""
        return bars.unfold(2, self.width, 1).median(3).values

    def means(self, bars: Tensor) -> Tensor:
        """Return means in place of medians: for attacks, since a median passes its gradient to one bar only."""
        return bars.unfold(2, self.width, 1).mean(3)


def noisy_bars(bars: Tensor, scale: float, noise: Tensor) -> Tensor:
    """Return `bars` `[B, 5, T]` with the prices of each bar moved by `scale` volatilities times `noise` `[B, T]`."""
    factor = (scale * volatility(bars).detach() * noise).exp()
    return torch.cat([bars[:, :4] * factor[:, None], bars[:, 4:]], 1)

"""Discrete data as numbers that a flow can model: noise within each step, and logits of pixels (Dinh et al. 2017, 4.1).

For n values k = 0..n-1 and noise u in (0, 1), y = (k + u) / n is a number in (0, 1), and
log P(k) >= E_u [log p(y) - log q(u | k)] - D log n (Theis et al. 2016, Eq. 8; Ho et al. 2019, Flow++, Eq. 5).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.special import ndtr

from sparring.engine.errors import UsageError
from sparring.nets.flow_layers import ConvNet, Mapped, bounded

MEAN_BOUND = 6.0
"""Largest |mean| of the normal number whose probability is u."""
SEED = 0
"""Seed of the noise where no generator is given."""


class DequantisedFlow(nn.Module):
    """A flow of discrete data: log p is bounded by draws of the noise that makes them continuous.

    `noise_shape` is that of the noise of one example. `started` counts the rounds of training in which
    layers that start with data did so.
    """

    exact = False
    draws = 1
    """Draws of the noise, over which `log_prob` averages probabilities."""
    started: Tensor

    def __init__(self, shape: tuple[int, ...], noise_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape, self.noise_shape, self.latent_dim = shape, noise_shape, math.prod(noise_shape)
        self.register_buffer("started", torch.zeros((), dtype=torch.uint8))

    def bound(self, x: Tensor, noise: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the bound of log p(x) `[B]` in nats by one draw of standard normal noise `[B, *noise_shape]`."""
        raise NotImplementedError

    def log_prob(self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return a lower bound of log p(x) `[B]` in nats; without a generator the noise has a fixed seed."""
        generator = generator or torch.Generator().manual_seed(SEED)
        shape = len(x), *self.noise_shape
        bounds = [
            self.bound(x, torch.randn(shape, generator=generator, device="cpu").to(x.device, x.dtype), y)
            for _ in range(self.draws)
        ]
        return torch.stack(bounds).logsumexp(0) - math.log(self.draws)

    def check(self, x: Tensor) -> None:
        """Raise UsageError where `x` has another shape."""
        if x.shape[1:] != self.shape:
            raise UsageError(f"this flow has data of shape {self.shape}, not {tuple(x.shape[1:])}: convert them")


class Dequantisation(nn.Module):
    """Images of `values` grey values in [-1, 1] -> logits of a + (1 - 2 a) y, a = `alpha`, which are unbounded.

    u = Phi(m + s e) of standard normal noise e. Without `hidden` channels m = 0 and s = 1: u is uniform. With them m
    and s come from a network of the image (variational dequantisation), and are 0 and 1 at first.
    """

    def __init__(
        self, shape: tuple[int, int, int], values: int = 256, alpha: float = 1e-6, hidden: int = 0, classes: int = 0
    ) -> None:
        super().__init__()
        channels, *size = shape
        self.values, self.alpha = values, alpha
        self.log_factor = math.prod(shape) * (math.log1p(-2 * alpha) - math.log(values))
        self.net = ConvNet(channels, channels, (size[0], size[1]), hidden, classes) if hidden else None

    def forward(self, x: Tensor, noise: Tensor, y: Tensor | None) -> Mapped:
        """Map x and standard normal `noise` of its shape to logits, and log |det| - log q(u | x) `[B]`."""
        k = ((x + 1) * ((self.values - 1) / 2)).round()
        log_q = noise.new_zeros(())
        if self.net is not None:
            mean, raw = self.net(k * (2 / (self.values - 1)) - 1, y)
            mean, log_std = bounded(mean, MEAN_BOUND), bounded(raw)
            normal = mean + noise * log_std.exp()
            log_q = ((normal.square() - noise.square()) / 2 - log_std).flatten(1).sum(1)
            noise = normal
        low, high = (self._inside(part) for part in (k + ndtr(noise), (self.values - 1 - k) + ndtr(-noise)))
        log_low, log_high = low.log(), high.log()
        return log_low - log_high, self.log_factor - (log_low + log_high).flatten(1).sum(1) - log_q

    def to_images(self, logits: Tensor) -> Tensor:
        """Map logits to the grey value below, in [-1, 1]; the gradient is that before rounding (straight through)."""
        y = self.to_unit(logits)
        smooth = (y * self.values - 0.5) * (2 / (self.values - 1)) - 1
        k = (y * self.values).floor().clamp(0, self.values - 1)
        return smooth + (k * (2 / (self.values - 1)) - 1 - smooth).detach()

    def to_unit(self, logits: Tensor) -> Tensor:
        """Map logits to y, in (0, 1) but for `alpha`."""
        return (torch.sigmoid(logits) - self.alpha) / (1 - 2 * self.alpha)

    def _inside(self, steps: Tensor) -> Tensor:
        """Map 0..n to a..1-a. Taken for y and for 1 - y, it loses no digits near 1."""
        return self.alpha + (1 - 2 * self.alpha) / self.values * steps

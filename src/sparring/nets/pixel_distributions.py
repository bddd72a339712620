"""Distributions of one pixel whose channels depend on each other: Bernoulli, and a discretised logistic mixture.

Both are plain objects without weights. A network gives their parameters, `[..., parameters]`, channels last. The value
of each channel is one of `values`, which lie in [-1, 1].
"""

from __future__ import annotations

from itertools import pairwise
from math import log
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid, pad, softplus

from sparring.engine.errors import UsageError

LOG_SCALE_MIN = -7.0
"""Bound that the logarithm of a logistic scale approaches, without reaching it."""


class PixelDistribution(Protocol):
    """A distribution over the values of a pixel's channels, from parameters `[..., parameters]`."""

    channels: int
    parameters: int
    """Numbers that the network gives for each pixel."""
    uniforms: int
    """Uniform numbers that one sample needs."""
    levels: int
    """Number of values of a channel, V; they are evenly spaced from -1 to 1."""

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Return log P of pixels `[..., channels]`, in nats, `[...]`."""
        ...

    def channel_log_probs(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Return log P of each channel given those before it, `[..., channels]`."""
        ...

    def sample(self, parameters: Tensor, u: Tensor) -> Tensor:
        """Return pixels `[..., channels]` from uniform numbers in (0, 1), `[..., uniforms]`."""
        ...

    def conditional(self, parameters: Tensor, x: Tensor, channel: int) -> Tensor:
        """Return log P of each value of a channel given the channels of `x` before it, `[..., V]`."""
        ...


def to_uniform(z: Tensor) -> Tensor:
    """Return the uniform numbers in (0, 1), float64, of standard normal ones: their distribution function."""
    u: Tensor = torch.special.ndtr(z.double())
    return u.clamp(1e-300, 1 - 2**-53)


def stacked(terms: list[Tensor]) -> Tensor:
    """Return tensors whose shapes broadcast as one, with a further last dimension."""
    return torch.stack(list(torch.broadcast_tensors(*terms)), -1)  # type: ignore[no-untyped-call]


def pair_index(channel: int, before: int) -> int:
    """Return the position of the coefficient of channel `before` in the parameters of `channel`, row by row."""
    return channel * (channel - 1) // 2 + before


def values_of(distribution: PixelDistribution, like: Tensor) -> Tensor:
    """Return the values of a channel, `[V]`, in the precision of `like`: 2 k / (V - 1) - 1."""
    return to_values(torch.arange(distribution.levels, device=like.device).to(like.dtype), distribution.levels)


def to_values(level: Tensor, levels: int) -> Tensor:
    """Return the values of levels 0 to `levels` - 1, as the data have them."""
    return level / ((levels - 1) / 2) - 1


def check_values(distribution: PixelDistribution, x: Tensor) -> None:
    """Raise UsageError where images hold values that the distribution does not have."""
    top = distribution.levels - 1
    level = (x.float() + 1) * (top / 2)
    if not x.is_meta and bool(((level - level.round()).abs() > 1e-3).logical_or(x.abs() > 1.001).any()):
        kind = "-1 or 1" if top == 1 else f"the {top + 1} values 2 k / {top} - 1"
        raise UsageError(f"pixels must be {kind}: draw binary values, or round grey ones, before")


class Bernoulli:
    """Pixels of values -1 and 1: logit of channel c = l_c + sum over b < c of w_bc x_b.

    The parameters are the l_c, then w_bc for all c > b, of b = 0, 1, ...
    """

    def __init__(self, channels: int) -> None:
        self.channels = self.uniforms = channels
        self.parameters = channels + channels * (channels - 1) // 2
        self.levels = 2
        starts = [channels + b * channels - b * (b + 1) // 2 for b in range(channels)]
        self.effects = [slice(start, start + channels - 1 - b) for b, start in enumerate(starts)]

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Return log P of pixels `[..., channels]`, in nats, `[...]`."""
        return self.channel_log_probs(parameters, x).sum(-1)

    def channel_log_probs(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Return log P of each channel given those before it, `[..., channels]`."""
        logits = parameters[..., : self.channels]
        for b in range(self.channels - 1):
            logits = logits + pad(parameters[..., self.effects[b]] * x[..., b : b + 1], (b + 1, 0))
        return logsigmoid(x * logits)

    def sample(self, parameters: Tensor, u: Tensor) -> Tensor:
        """Return 1 where u < sigmoid(logit), else -1, `[..., channels]`."""
        x = torch.empty_like(parameters[..., : self.channels])
        excess, one = parameters[..., : self.channels] - torch.logit(u), x.new_ones(())
        for c in range(self.channels):
            x[..., c] = torch.copysign(one, excess[..., c])
            if c + 1 < self.channels:
                excess[..., c + 1 :].addcmul_(parameters[..., self.effects[c]], x[..., c : c + 1])
        return x

    def conditional(self, parameters: Tensor, x: Tensor, channel: int) -> Tensor:
        """Return log P of -1 and of 1 given the channels of `x` before, `[..., 2]`."""
        logit = parameters[..., channel]
        for b in range(channel):
            logit = logit + parameters[..., self.effects[b].start + channel - b - 1] * x[..., b]
        return torch.stack([logsigmoid(-logit), logsigmoid(logit)], -1)


class LogisticMixture:
    """A mixture of discretised logistic distributions (Salimans et al. 2017, section 2.1 and 2.2).

    One component serves all channels of a pixel. The mean of channel c is m_c + sum over b < c of tanh(w_cb) x_b. The
    probability of a value is the mass within half a step of it; the outermost values take the tails. Nothing is
    clamped: with the standardised edges a > b, log P = -softplus(-a) - softplus(b) + log(1 - exp(b - a)).
    """

    def __init__(self, channels: int, components: int = 10, levels: int = 256) -> None:
        self.channels, self.components = channels, components
        self.uniforms = 1 + channels
        self.parameters = components * (1 + 2 * channels + channels * (channels - 1) // 2)
        self.levels = levels
        self.half_step = 1 / (levels - 1)

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return log weights `[..., K]`, means and log scales `[..., C, K]`, coefficients `[..., C (C - 1) / 2, K]`."""
        groups = parameters.view(*parameters.shape[:-1], -1, self.components)
        c = self.channels
        log_scale = LOG_SCALE_MIN + softplus(groups[..., 1 + c : 1 + 2 * c, :] - LOG_SCALE_MIN)
        coefficients = torch.tanh(groups[..., 1 + 2 * c :, :])
        return log_softmax(groups[..., 0, :], -1), groups[..., 1 : 1 + c, :], log_scale, coefficients

    def _mean(self, means: Tensor, coefficients: Tensor, x: Tensor, channel: int) -> Tensor:
        mean = means[..., channel, :]
        for before in range(channel):
            mean = mean + coefficients[..., pair_index(channel, before), :] * x[..., before, None]
        return mean

    def _log_mass(self, x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        """Return log P of values under single components; all shapes broadcast."""
        inverse = torch.exp(-log_scale)
        upper = (x - mean + self.half_step) * inverse
        lower = (x - mean - self.half_step) * inverse
        log_width = log(2 * self.half_step) - log_scale
        safe = log_width.clamp(min=-30)  # below it, log(1 - exp(-w)) is log w to the last bit
        inside = torch.log(-torch.expm1(-torch.exp(safe))) + (log_width - safe)
        zero = torch.zeros((), dtype=inside.dtype, device=inside.device)
        first, last = x < -1 + self.half_step, x > 1 - self.half_step
        return (
            torch.where(last, zero, -softplus(-upper))
            + torch.where(first, zero, -softplus(lower))
            + torch.where(first | last, zero, inside)
        )

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Return log P of pixels `[..., channels]`, in nats, `[...]`: channels are summed inside each component."""
        return torch.logsumexp(self._joint(parameters, x, self.channels)[-1], -1)

    def channel_log_probs(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Return log P of each channel given those before it, `[..., channels]`."""
        totals = [torch.logsumexp(joint, -1) for joint in self._joint(parameters, x, self.channels)]
        return stacked([after - before for before, after in pairwise(totals)])

    def _joint(self, parameters: Tensor, x: Tensor, channels: int) -> list[Tensor]:
        """Return log P of component and first channels, `[..., K]`, for 0 to `channels` channels."""
        log_weights, means, log_scale, coefficients = self._split(parameters)
        totals = [log_weights]
        for c in range(channels):
            mean = self._mean(means, coefficients, x, c)
            totals.append(totals[-1] + self._log_mass(x[..., c, None], mean, log_scale[..., c, :]))
        return totals

    def sample(self, parameters: Tensor, u: Tensor) -> Tensor:
        """Return pixels `[..., channels]`: the first uniform chooses the component, the others its logistic noise."""
        log_weights, means, log_scale, coefficients = self._split(parameters)
        steps = torch.cumsum(log_weights.exp(), -1)[..., :-1]
        component = (u[..., :1] > steps).sum(-1, keepdim=True)
        noise = torch.logit(u[..., 1:]).to(parameters.dtype)
        x = torch.empty_like(means[..., 0])
        top = self.levels - 1
        for c in range(self.channels):
            mean = self._mean(means, coefficients, x, c).gather(-1, component)[..., 0]
            scale = log_scale[..., c, :].gather(-1, component)[..., 0].exp()
            level = ((mean + scale * noise[..., c] + 1) * (top / 2)).round().clamp(0, top)
            x[..., c] = to_values(level, self.levels)
        return x

    def conditional(self, parameters: Tensor, x: Tensor, channel: int) -> Tensor:
        """Return log P of each value given the channels of `x` before, which weigh the components, `[..., V]`."""
        joint = self._joint(parameters, x, channel)[-1]
        _, means, log_scale, coefficients = self._split(parameters)
        mean = self._mean(means, coefficients, x, channel)
        values = values_of(self, parameters)[:, None]
        masses = self._log_mass(values, mean[..., None, :], log_scale[..., None, channel, :])
        return torch.logsumexp(log_softmax(joint, -1)[..., None, :] + masses, -1)

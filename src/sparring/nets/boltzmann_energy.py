"""The energy of Boltzmann machines with one or two hidden layers, its conditionals and its annealing path.

    E(v, h1, h2) = e(v) - v'W1 h1 - h1'W2 h2 - b'v - c1'h1 - c2'h2,   p = exp(-E) / Z

Visible units are binary (e = 0) or Gaussian with unit variance (e = |v|^2 / 2); hidden ones are binary. A restricted
machine has no second layer: W2 has no columns. All functions are pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

MAX_ENUMERATED_UNITS = 20
"""Largest first hidden layer of which Z is the sum over all its states."""
ENUMERATION_CHUNK = 1 << 12
CLIPPED_MEAN = 0.01
"""Means of binary units are clipped to this and one minus it before their log-odds are taken."""


class VisibleUnits(NamedTuple):
    """Units of one exponential family, as functions of their field (natural parameter)."""

    log_partition: Callable[[Tensor], Tensor]
    """Logarithm of the integral over the unit; its derivative is the mean."""
    mean: Callable[[Tensor], Tensor]
    sample: Callable[[Tensor, Tensor], Tensor]
    """(field, uniform noise in [0, 1)) -> values."""
    base_energy: Callable[[Tensor], Tensor]
    """Energy e of values, each unit's own."""
    field_of_mean: Callable[[Tensor], Tensor]
    """Inverse of `mean`, for means of data."""


def _sample_binary(field: Tensor, noise: Tensor) -> Tensor:
    return (noise < torch.sigmoid(field)).to(field.dtype)


def _sample_gaussian(field: Tensor, noise: Tensor) -> Tensor:
    eps = torch.finfo(noise.dtype).eps / 2
    standard_normal: Tensor = torch.special.ndtri(noise.clamp(eps, 1 - eps))
    return field + standard_normal


VISIBLE_UNITS = {
    "binary": VisibleUnits(
        softplus,
        torch.sigmoid,
        _sample_binary,
        torch.zeros_like,
        lambda mean: torch.logit(mean.clamp(CLIPPED_MEAN, 1 - CLIPPED_MEAN)),
    ),
    "gaussian": VisibleUnits(
        lambda field: field.square() / 2 + math.log(2 * math.pi) / 2,
        lambda field: field,
        _sample_gaussian,
        lambda v: v.square() / 2,
        lambda mean: mean,
    ),
}


class Sweep(NamedTuple):
    """States after a Gibbs sweep: `v` `[N, D]`, `h2` `[N, H2]`, the mean of h1 given these, and h1 `[N, H1]`."""

    v: Tensor
    h2: Tensor
    mean1: Tensor
    h1: Tensor


@dataclass(frozen=True)
class Energy:
    """Parameters of E. `c1` is `[H1]`, or `[N, H1]` where each row has biases of its own."""

    units: VisibleUnits
    w1: Tensor
    """Weights `[D, H1]`."""
    w2: Tensor
    """Weights `[H1, H2]`; H2 = 0 in a restricted machine."""
    b: Tensor
    c1: Tensor
    c2: Tensor

    @property
    def noise_units(self) -> int:
        """Uniform numbers that a sweep takes for each row: D + H2 + H1."""
        return len(self.b) + len(self.c2) + self.w1.shape[1]

    def visible_field(self, h1: Tensor) -> Tensor:
        """Return the field `[N, D]` of the visible units given `h1` `[N, H1]`."""
        return torch.addmm(self.b, h1, self.w1.t())

    def top_field(self, h1: Tensor) -> Tensor:
        """Return the field `[N, H2]` of the second layer given `h1` `[N, H1]`."""
        return torch.addmm(self.c2, h1, self.w2)

    def hidden_field(self, v: Tensor, h2: Tensor) -> Tensor:
        """Return the field `[N, H1]` of the first layer given `v` `[N, D]` and `h2` `[N, H2]`."""
        field = self.c1 + v @ self.w1
        return field + h2 @ self.w2.t() if h2.shape[1] else field

    def sweep(self, h1: Tensor, noise: Tensor) -> Sweep:
        """Return the states of a Gibbs sweep: v and h2 given h1, then h1. `noise` is uniform, `[N, noise_units]`."""
        u_v, u_2, u_1 = torch.split(noise, [len(self.b), len(self.c2), self.w1.shape[1]], 1)
        v = self.units.sample(self.visible_field(h1), u_v)
        h2 = _sample_binary(self.top_field(h1), u_2)
        mean = torch.sigmoid(self.hidden_field(v, h2))
        return Sweep(v, h2, mean, (u_1 < mean).to(mean.dtype))

    def mean_field(self, v: Tensor, rounds: int, tolerance: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return the fields (logits) of the factorial posterior nearest to p(h1, h2 | v), for `v` `[N, D]`.

        The start is bottom-up with doubled weights, in place of the missing second layer. It stops after `rounds`, or
        where no mean changes by `tolerance`. With one layer the posterior is exact.
        """
        to_h1 = v @ self.w1
        bottom_up = self.c1 + to_h1
        if not len(self.c2):
            return bottom_up, v.new_zeros(len(v), 0)
        field1 = bottom_up + to_h1
        field2 = self.top_field(torch.sigmoid(field1))
        for _ in range(rounds):
            before = field1
            field1 = torch.addmm(bottom_up, torch.sigmoid(field2), self.w2.t())
            field2 = self.top_field(torch.sigmoid(field1))
            if tolerance and not v.is_meta and _largest_change(before, field1) < tolerance:
                break
        return field1, field2

    def bound(self, v: Tensor, field1: Tensor) -> Tensor:
        """Return the lower bound of log(Z p(v)) `[N]` by the posterior with fields `field1` of the first layer.

        The best posterior of the second layer follows from it. With one layer and its exact posterior it is the
        negative free energy.
        """
        mu1 = torch.sigmoid(field1)
        entropy = softplus(field1) - mu1 * field1
        visible = v @ self.b - self.units.base_energy(v).sum(1)
        hidden = (mu1 * (self.c1 + v @ self.w1) + entropy).sum(1)
        return visible + hidden + softplus(self.top_field(mu1)).sum(1)

    def log_joint(self, v: Tensor, h1: Tensor) -> Tensor:
        """Return log(Z p(v, h1)) `[N]`, the second layer summed out."""
        visible = v @ self.b - self.units.base_energy(v).sum(1)
        return visible + (h1 * (self.c1 + v @ self.w1)).sum(1) + softplus(self.top_field(h1)).sum(1)

    def log_marginal(self, h1: Tensor) -> Tensor:
        """Return log(Z p(h1)) `[N]`: the visible units and the second layer are summed out."""
        visible = self.units.log_partition(self.visible_field(h1)).sum(1)
        return (self.c1 * h1).sum(1) + visible + softplus(self.top_field(h1)).sum(1)

    def clamped(self, v: Tensor, known: Tensor) -> Energy:
        """Return the energy of the units outside of `known` `[D]`, for fixed values `v` `[N, D]` of those inside."""
        c1 = self.c1 + v[:, known] @ self.w1[known]
        return replace(self, w1=self.w1[~known], b=self.b[~known], c1=c1)

    def double(self) -> Energy:
        """Return the same energy in float64, on the CPU."""
        w1, w2, b, c1, c2 = (t.cpu().double() for t in (self.w1, self.w2, self.b, self.c1, self.c2))
        return Energy(self.units, w1, w2, b, c1, c2)


def _largest_change(before: Tensor, after: Tensor) -> float:
    return float((torch.sigmoid(after) - torch.sigmoid(before)).abs().max())


def exact_log_z(energy: Energy) -> float:
    """Return log Z as the sum over all states of the first hidden layer, in float64."""
    energy, bits = energy.double(), energy.w1.shape[1]
    powers = 2 ** torch.arange(bits)
    sums = []
    for first in range(0, 2**bits, ENUMERATION_CHUNK):
        codes = torch.arange(first, min(first + ENUMERATION_CHUNK, 2**bits))
        sums.append(energy.log_marginal((codes[:, None] // powers % 2).double()).logsumexp(0))
    return float(torch.stack(sums).logsumexp(0))


class PathState(NamedTuple):
    """States of the first hidden layer `[N, H1]` and what they add to the fields of the layers beside it."""

    h1: Tensor
    to_v: Tensor
    to_h2: Tensor


@dataclass(frozen=True)
class HiddenPath:
    """Annealing path on the first hidden layer (`stats.annealed_importance.AnnealingPath`).

    At beta = 0 all hidden units are fair coins and the visible ones have the means of the data:

        log f_beta(h1) = beta c1'h1 + A((1 - beta) base + beta (b + W1 h1)) + sum softplus(beta (c2 + W2'h1))

    with A the log-partition of the visible units, summed (Salakhutdinov and Hinton 2009, section 4.1).
    """

    energy: Energy
    base: Tensor
    """Fields `[D]` of the visible units at beta = 0."""

    @property
    def log_z0(self) -> float:
        """Return log Z at beta = 0."""
        hidden = self.energy.w1.shape[1] + len(self.energy.c2)
        return float(self.energy.units.log_partition(self.base.cpu().double()).sum()) + hidden * math.log(2)

    def state(self, h1: Tensor) -> PathState:
        """Return the state of `h1` `[N, H1]`."""
        return PathState(h1, h1 @ self.energy.w1.t(), h1 @ self.energy.w2)

    def start(self, chains: int, generator: torch.Generator) -> PathState:
        """Draw states at beta = 0."""
        return self.state((self._noise(chains, self.energy.w1.shape[1], generator) < 0.5).to(self.base.dtype))

    def log_ratio(self, state: PathState, beta: float, to: float) -> Tensor:
        """Return log f_to - log f_beta `[N]`, as the sum of the differences of units, which are small."""
        e = self.energy
        (v0, top0), (v1, top1) = self._fields(state, beta), self._fields(state, to)
        visible = (e.units.log_partition(v1) - e.units.log_partition(v0)).sum(1)
        top = (softplus(top1) - softplus(top0)).sum(1)
        return visible + top + (to - beta) * (e.c1 * state.h1).sum(1)

    def step(self, state: PathState, beta: float, generator: torch.Generator) -> PathState:
        """Return the state after a Gibbs sweep at `beta`: reversible, as the marginal chain of alternating Gibbs."""
        e = self.energy
        u_v, u_2, u_1 = torch.split(
            self._noise(len(state.h1), e.noise_units, generator), [len(e.b), len(e.c2), e.w1.shape[1]], 1
        )
        v_field, top_field = self._fields(state, beta)
        v, h2 = e.units.sample(v_field, u_v), _sample_binary(top_field, u_2)
        return self.state(_sample_binary(beta * e.hidden_field(v, h2), u_1))

    def _fields(self, state: PathState, beta: float) -> tuple[Tensor, Tensor]:
        e = self.energy
        visible = torch.lerp(self.base, e.b, beta).add(state.to_v, alpha=beta)
        return visible, (e.c2 + state.to_h2) * beta

    def _noise(self, rows: int, columns: int, generator: torch.Generator) -> Tensor:
        return torch.rand(rows, columns, generator=generator, dtype=self.base.dtype).to(self.base.device)

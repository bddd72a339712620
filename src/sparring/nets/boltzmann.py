"""Boltzmann machines with one hidden layer (restricted) or two (deep), centred (Montavon and Müller 2012).

Parameters belong to the centred energy -(v - o)'W1 (h1 - o1) - (h1 - o1)'W2 (h2 - o2) - b'v - c1'h1 - c2'h2. Its
offsets follow the means of the units, and leave the distribution as it is. The persistent chains of the negative phase
are a buffer, and samples continue them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sparring.engine.errors import SparringError
from sparring.engine.seeds import mix
from sparring.nets.boltzmann_energy import (
    MAX_ENUMERATED_UNITS,
    VISIBLE_UNITS,
    Energy,
    HiddenPath,
    PathState,
    exact_log_z,
)
from sparring.stats.annealed_importance import AnnealedEstimate, annealed_weights, log_mean_exp

QUICK_CHAINS, QUICK_TEMPERATURES = 100, 500
"""Setting of `estimate_log_z` where none is given: two seconds of processor time for 784 and 500 units."""
MEAN_FIELD_ROUNDS, MEAN_FIELD_TOLERANCE = 50, 1e-4
CLAMPED_CHAINS, CLAMPED_TEMPERATURES = 32, 500
"""Annealing of the probability of a completion."""
NOISE_SWEEPS = 16
"""Sweeps whose noise is held at once while sampling."""
MIN_STD = 0.05
"""Least scale at which the learning of Gaussian units starts, in network input."""
BIN = 1 / 127.5
"""Width of the bin of an 8-bit value in [-1, 1]."""
DIAGNOSTIC_SWEEPS = 100


class Moments(NamedTuple):
    """Sufficient statistics of a mean over states, in the shapes of the parameters; the energy is linear in them."""

    w1: Tensor
    w2: Tensor
    b: Tensor
    c1: Tensor
    c2: Tensor


class BoltzmannMachine(nn.Module):
    """A Boltzmann machine of one or two hidden layers over examples of `shape` (`nets.density_net.DensityNet`).

    `visible` is "binary" (values -1 and 1) or "gaussian" (8-bit values, dequantised and standardised by a learnt affine
    map). `sweeps` of Gibbs sampling from a saved chain make a sample.
    """

    latent_dim = 2
    """The noise of a sample is the seed of its chain."""
    draws = 1

    w1: Tensor
    w2: Tensor
    b: Tensor
    c1: Tensor
    c2: Tensor
    visible_offset: Tensor
    offset1: Tensor
    offset2: Tensor
    chains: Tensor
    steps: Tensor
    log_z: Tensor
    annealing: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        hidden: Sequence[int],
        *,
        visible: str = "binary",
        chains: int = 100,
        sweeps: int = 200,
        hidden_bias: float = -1.0,
        std: float = 0.01,
    ) -> None:
        super().__init__()
        if len(hidden) not in (1, 2):
            raise ValueError(f"hidden must name one or two layers, not {len(hidden)}")
        self.shape, self.visible, self.sweeps = tuple(shape), visible, sweeps
        units, h1, h2 = math.prod(shape), hidden[0], sum(hidden[1:])
        parameters = {
            "w1": torch.randn(units, h1) * std,
            "b": torch.zeros(units),
            "c1": torch.full((h1,), hidden_bias),
        }
        top = {"w2": torch.randn(h1, h2) * std, "c2": torch.full((h2,), hidden_bias)}
        for name, value in {**parameters, **(top if h2 else {})}.items():
            self.register_parameter(name, nn.Parameter(value))
        if not h2:  # a layer without units: the formulas are those of two layers
            for name, value in top.items():
                self.register_buffer(name, value, persistent=False)
        if visible == "gaussian":
            self.mean, self.log_scale = nn.Parameter(torch.zeros(units)), nn.Parameter(torch.zeros(units))
        on = 1 / (1 + math.exp(-hidden_bias))
        self.register_buffer("visible_offset", torch.zeros(units))
        self.register_buffer("offset1", torch.full((h1,), on))
        self.register_buffer("offset2", torch.full((h2,), on), persistent=h2 > 0)
        self.register_buffer("chains", (torch.rand(chains, h1) < on).to(torch.uint8))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("log_z", torch.zeros(()))
        # chains and temperatures of `log_z`; 0 chains: of other weights. Averages copy integers, and so forget it
        self.register_buffer("annealing", torch.zeros(2, dtype=torch.int64))

    @property
    def exact(self) -> bool:
        """True where `log_prob` is exact: one small hidden layer, and binary units."""
        return self.enumerable and not len(self.c2) and self.visible == "binary"

    @property
    def enumerable(self) -> bool:
        """True where log Z is computed by enumeration."""
        return self.w1.shape[1] <= MAX_ENUMERATED_UNITS

    def energy(self) -> Energy:
        """Return the energy with the biases of uncentred units; it is not differentiable."""
        w1, w2, b, c1, c2 = (t.detach() for t in (self.w1, self.w2, self.b, self.c1, self.c2))
        b = b - w1 @ self.offset1
        c1 = c1 - self.visible_offset @ w1 - w2 @ self.offset2
        return Energy(VISIBLE_UNITS[self.visible], w1, w2, b, c1, c2 - self.offset1 @ w2)

    def path(self) -> HiddenPath:
        """Return the annealing path from independent visible units with the means of the data."""
        energy = self.energy()
        return HiddenPath(energy, energy.units.field_of_mean(self.visible_offset))

    def moments(self, v: Tensor, h1: Tensor, h2: Tensor) -> Moments:
        """Return the mean statistics of states or means `v` `[N, D]`, `h1` `[N, H1]` and `h2` `[N, H2]`."""
        centred1 = (h1 - self.offset1) / len(v)
        w1 = (v - self.visible_offset).t() @ centred1
        return Moments(w1, centred1.t() @ (h2 - self.offset2), v.mean(0), h1.mean(0), h2.mean(0))

    def mean_energy(self, moments: Moments) -> Tensor:
        """Return the mean energy of states with these moments, without e(v): a scalar, linear in the parameters."""
        parameters = (self.w1, self.w2, self.b, self.c1, self.c2)
        return -torch.stack([(p * m).sum() for p, m in zip(parameters, moments, strict=True)]).sum()

    @torch.no_grad()
    def recentre(self, e: Energy, v: Tensor, h1: Tensor, h2: Tensor, rate: float) -> None:
        """Move the offsets by `rate` towards means `[D]`, `[H1]`, `[H2]`; the present energy `e` stays the same."""
        for offset, mean in ((self.visible_offset, v), (self.offset1, h1), (self.offset2, h2)):
            offset.lerp_(mean, rate)
        self.b.copy_(e.b + e.w1 @ self.offset1)
        self.c1.copy_(e.c1 + self.visible_offset @ e.w1 + e.w2 @ self.offset2)
        self.c2.copy_(e.c2 + self.offset1 @ e.w2)

    @torch.no_grad()
    def start(self, v: Tensor) -> None:
        """Set fields and offsets of the visible units from their means `[D]`: weights would take long to learn them."""
        self.visible_offset.copy_(v)
        self.b.copy_(VISIBLE_UNITS[self.visible].field_of_mean(v))

    @torch.no_grad()
    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """Set the affine map of Gaussian units to means and standard deviations `[D]` of network input."""
        self.mean.copy_(mean)
        self.log_scale.copy_(std.clamp_min(MIN_STD).log())

    def to_units(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return visible units `[B, D]` of network input; `noise` in [0, 1) dequantises Gaussian ones."""
        x = x.flatten(1).to(self.w1.dtype)
        if self.visible == "binary":
            return (x + 1) / 2
        if noise is not None:
            x = x + (noise - 0.5) * BIN
        return (x - self.mean) * torch.exp(-self.log_scale)

    def from_units(self, v: Tensor) -> Tensor:
        """Return network input `[B, *shape]` of visible units `[B, D]`; Gaussian ones are rounded to 8 bits."""
        if self.visible == "binary":
            x = 2 * v - 1
        else:
            x = v * torch.exp(self.log_scale) + self.mean
            x = ((x + 1) / BIN).round().clamp(0, 255) * BIN - 1
        return x.view(-1, *self.shape)

    @torch.no_grad()
    def log_prob(self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return log P(x) `[B]` in nats: free energy or mean-field bound, minus log Z.

        With one layer it is exact where log Z is (`exact`); with two it is a lower bound minus log Z. Gaussian units:
        a bound by uniform noise, one draw from `generator`. Raises SparringError where binary units get other values.
        """
        with _float32(x):
            self._check(x)
            v, log_density = self._dequantised(x, generator)
            return self.log_unnormalised(v) + log_density - self._log_z()

    def log_unnormalised(self, v: Tensor) -> Tensor:
        """Return log(Z p(v)) `[B]` of units `[B, D]`, or its mean-field bound with two layers."""
        energy = self.energy()
        field1, _ = energy.mean_field(v, MEAN_FIELD_ROUNDS, MEAN_FIELD_TOLERANCE)
        return energy.bound(v, field1)

    @torch.no_grad()
    def posterior_state(self, x: Tensor, generator: torch.Generator) -> tuple[PathState, Tensor]:
        """Return a state of `path` for each row, h1 from its (mean-field) posterior q, and log(Z P(x, h1) / q(h1 | x)).

        The mean of the latter over q bounds log(Z P(x)) from below; with one layer it is equal for every h1.
        """
        with _float32(x):
            energy = self.energy()
            v, log_density = self._dequantised(x, generator)
            field1, _ = energy.mean_field(v, MEAN_FIELD_ROUNDS, MEAN_FIELD_TOLERANCE)
            noise = torch.rand(field1.shape, generator=generator, dtype=field1.dtype).to(field1.device)
            h1 = (noise < torch.sigmoid(field1)).to(field1.dtype)
            log_q = (h1 * field1 - softplus(field1)).sum(1)
            return self.path().state(h1), energy.log_joint(v, h1) - log_q + log_density

    @torch.no_grad()
    def estimate_log_z(
        self,
        generator: torch.Generator,
        chains: int = QUICK_CHAINS,
        temperatures: int = QUICK_TEMPERATURES,
    ) -> AnnealedEstimate:
        """Set the buffer `log_z` of the present weights, and return it: enumerated, or by annealing."""
        with _float32(self.w1):
            if self.enumerable:
                value = exact_log_z(self.energy())
                estimate = AnnealedEstimate(value, value, value, chains, chains, 0)
            else:
                weights = annealed_weights(self.path(), chains, temperatures, generator)
                estimate = log_mean_exp(weights, steps=temperatures)
        self.log_z.fill_(estimate.value)
        self.annealing.copy_(torch.tensor([estimate.chains, estimate.temperatures]))
        return estimate

    def protocol(self) -> dict[str, object]:
        """Return what a stated likelihood depends on."""
        self._log_z()
        chains, temperatures = self.annealing.tolist()
        log_z = f"annealed importance sampling, {chains} chains, {temperatures} temperatures"
        posterior = "mean field, a lower bound" if len(self.c2) else "exact"
        settings: dict[str, object] = {"log_z": log_z if temperatures else "exact", "posterior": posterior}
        return settings if self.visible == "binary" else {**settings, "dequantisation": "uniform", "draws": self.draws}

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Return the means of the hidden units given x, float32 `[B, H1 + H2]`."""
        with _float32(x):
            fields = self.energy().mean_field(self.to_units(x), MEAN_FIELD_ROUNDS, MEAN_FIELD_TOLERANCE)
            return torch.sigmoid(torch.cat(fields, 1)).float()

    @torch.no_grad()
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return samples `[B, *shape]`, network input, for noise `[B, 2]`: `sweeps` of Gibbs sampling of saved chains.

        A row of noise is the seed of its sample: of the chain that it starts from and of all transitions.
        """
        if z.is_meta:
            return z.new_zeros(len(z), *self.shape)
        with _float32(z):
            return self.from_units(self._sample(self.energy(), z))

    def completes_exactly(self, known: Tensor) -> bool:
        """Return False: log Z of the clamped machine is estimated, and Gibbs samples are near its distribution."""
        return False

    @torch.no_grad()
    def complete(self, x: Tensor, known: Tensor, z: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return `x` filled where `known` `[H, W]` is False, and log P(hole | known) `[B]`, for noise `[B, 2]`.

        Fills are clamped Gibbs samples. Their log-probability is the free energy (mean-field bound with two layers)
        minus log Z of the clamped machine, annealed unless it can be enumerated: so it is high on average.
        """
        with _float32(x):
            self._check(x)
            mask = known.expand(self.shape).flatten()
            if mask.all():
                return x, x.new_zeros(len(x), dtype=torch.float32)
            energy = self.energy().clamped(self.to_units(x), mask)
            v = self.to_units(x)
            v[:, ~mask] = self._sample(energy, z)
            filled = torch.where(known, x, self.from_units(v).to(x.dtype))
            v, log_density = self._dequantised(filled, None, ~mask)
            field1, _ = energy.mean_field(v[:, ~mask], MEAN_FIELD_ROUNDS, MEAN_FIELD_TOLERANCE)
            log_p = log_density + energy.bound(v[:, ~mask], field1) - self._clamped_log_z(energy, mask)
            return filled, log_p.float()

    @torch.no_grad()
    def diagnostics(self, x: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Return numbers about the saved chains, over 100 further sweeps of copies, and the hidden units given x.

        `energy_autocorrelation`: correlation of a chain's energy with that of half the sweeps later. `stuck_chains`:
        proportion that ends nearer to its own start than to the start of any other chain. `dead_units`,
        `saturated_units`: proportions of hidden units with a mean below 0.01 and above 0.99.
        """
        with _float32(x):
            energy, start = self.energy(), self.chains.to(self.w1.dtype)
            h1, energies = start, []
            for _ in range(DIAGNOSTIC_SWEEPS):
                noise = torch.rand(len(h1), energy.noise_units, generator=generator).to(h1)
                h1 = energy.sweep(h1, noise).h1
                energies.append(energy.log_marginal(h1))
            series = torch.stack(energies).double()
            series = (series - series.mean()) / series.std().clamp_min(1e-12)
            lag = DIAGNOSTIC_SWEEPS // 2
            nearest = torch.cdist(h1, start, p=1).argmin(1)
            means = self.encode(x).mean(0)
            return {
                "energy_autocorrelation": float((series[:-lag] * series[lag:]).mean()),
                "stuck_chains": float((nearest == torch.arange(len(h1), device=h1.device)).float().mean()),
                "dead_units": float((means < 0.01).float().mean()),
                "saturated_units": float((means > 0.99).float().mean()),
            }

    def _sample(self, energy: Energy, z: Tensor) -> Tensor:
        """Return visible units after `sweeps` under `energy`, from chains and noise that each row of z seeds."""
        seeds = z.detach().float().cpu().contiguous().view(torch.int32).tolist()
        generators = [torch.Generator().manual_seed(mix(*row)) for row in seeds]
        starts = torch.cat([torch.randint(len(self.chains), (1,), generator=g) for g in generators])
        h1, v = self.chains[starts.to(self.chains.device)].to(self.w1.dtype), z.new_zeros(0)
        for first in range(0, self.sweeps, NOISE_SWEEPS):
            shape = min(NOISE_SWEEPS, self.sweeps - first), energy.noise_units
            noise = torch.stack([torch.rand(shape, generator=g) for g in generators], 1)
            for sweep_noise in noise.to(self.w1):
                v, _, _, h1 = energy.sweep(h1, sweep_noise)
        return v

    def _log_z(self) -> Tensor:
        """Return log Z, estimated with a fixed seed where it is not known for the present weights."""
        if not self.log_z.is_meta and not self.annealing[0]:
            self.estimate_log_z(torch.Generator().manual_seed(0))
        return self.log_z.to(self.w1.dtype)

    def _clamped_log_z(self, energy: Energy, known: Tensor) -> Tensor:
        """Return log Z `[B]` of clamped machines; equal rows are annealed once."""
        biases, inverse = torch.unique(energy.c1, dim=0, return_inverse=True)
        if self.enumerable:
            return self.log_z.new_tensor([exact_log_z(replace(energy, c1=row)) for row in biases])[inverse]
        chains = replace(energy, c1=biases.repeat_interleave(CLAMPED_CHAINS, 0))
        path, generator = HiddenPath(chains, self.path().base[~known]), torch.Generator().manual_seed(0)
        weights = annealed_weights(path, len(chains.c1), CLAMPED_TEMPERATURES, generator)
        log_z = weights.view(-1, CLAMPED_CHAINS).logsumexp(1) - math.log(CLAMPED_CHAINS)
        return log_z.to(energy.b)[inverse]

    def _dequantised(
        self, x: Tensor, generator: torch.Generator | None, units: Tensor | None = None
    ) -> tuple[Tensor, Tensor | float]:
        """Return visible units `[B, D]` and the log volume of a value's bin, summed over `units` `[D]`; None: all."""
        if self.visible == "binary":
            return self.to_units(x), 0.0
        generator = generator or torch.Generator().manual_seed(0)
        noise = torch.rand(len(x), x[0].numel(), generator=generator).to(x.device)
        volume = math.log(BIN) - self.log_scale
        return self.to_units(x, noise), (volume if units is None else volume[units]).sum()

    def _check(self, x: Tensor) -> None:
        """Raise SparringError where binary units get values other than -1 and 1."""
        if self.visible == "binary" and not x.is_meta and not bool((x.abs() == 1).all()):
            raise SparringError(
                "this Boltzmann machine has binary units, and x holds values between black and white: binarise x to "
                "-1 and 1, or train with --visible gaussian"
            )


def _float32(x: Tensor) -> torch.autocast:
    """Disable autocast: in bf16, sigmoids freeze chains and sums lose whole nats."""
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)

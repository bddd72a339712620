"""GARCH(1,1) with Student's t by maximum likelihood (Bollerslev 1987). Hand-written: `arch` is no dependency.

r_t = m + s_t e_t,  s_t^2 = w + a (r_t-1 - m)^2 + b s_t-1^2,  e_t of Student's t with v degrees and variance 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
MAX_STEPS = 50_000
"""Steps, about, that the likelihood is computed of."""
ROUNDS = 100
BACKCAST = 50
"""First steps, whose mean square is the variance before the first."""
BURN_IN = 250
"""Steps that are simulated before those that are kept."""
MAX_PERSISTENCE = 0.999
MIN_DEGREES = 2.05


@dataclass(frozen=True)
class Garch:
    """Parameters of the model; returns are in their own units."""

    mean: float
    omega: float
    alpha: float
    beta: float
    degrees: float

    def shocks(self, returns: Floats) -> Floats:
        """Return the standardised residuals e of a stretch `[T]`."""
        x = torch.from_numpy(returns - self.mean)[None]
        parameters = (torch.tensor(v, dtype=torch.float64) for v in (self.omega, self.alpha, self.beta))
        shocks: Floats = (x / variances(x, *parameters).sqrt())[0].numpy()
        return shocks


def log_likelihood(
    returns: Tensor, mean: Tensor, omega: Tensor, alpha: Tensor, beta: Tensor, degrees: Tensor
) -> Tensor:
    """Return the log-likelihood of stretches `[N, T]`, float64."""
    x = returns - mean
    variance = variances(x, omega, alpha, beta)
    half = (degrees + 1) / 2
    constant = torch.lgamma(half) - torch.lgamma(degrees / 2) - (torch.pi * (degrees - 2)).log() / 2
    return (constant - variance.log() / 2 - half * (x.square() / (variance * (degrees - 2))).log1p()).sum()


def variances(x: Tensor, omega: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Return s_t^2 of stretches `[N, T]` without their mean.

    The recursion is a filter: s_t^2 = b^t s_0^2 + sum over k < t of b^k (w + a x_t-1-k^2), a product of spectra.
    """
    steps = x.shape[1]
    first = x[:, :BACKCAST].square().mean(1, keepdim=True)
    decay = beta ** torch.arange(steps, dtype=x.dtype)
    inputs = omega + alpha * x.square()
    size = 2 * steps
    filtered = torch.fft.irfft(torch.fft.rfft(inputs, size) * torch.fft.rfft(decay, size), size)[:, : steps - 1]
    later = filtered + first * decay[1:]
    return torch.cat([first, later], 1).clamp_min(1e-12)


def fit_garch(stretches: Sequence[Floats]) -> Garch:
    """Fit stretches `[T]` of returns by LBFGS on parameters without bounds."""
    kept, steps = list[Floats](), 0
    for stretch in stretches:
        if steps < MAX_STEPS:
            kept.append(stretch)
            steps += len(stretch)
    every = np.concatenate(kept)
    centre, scale = float(every.mean()), float(every.std()) or 1.0
    groups = [
        torch.from_numpy((np.stack(list(group)) - centre) / scale) for _, group in groupby(sorted(kept, key=len), len)
    ]
    free = torch.tensor([0.0, -2.0, 3.0, 0.0, 1.5], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([free], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        parameters = _bounded(free)
        value = -torch.stack([log_likelihood(group, *parameters) for group in groups]).sum() / steps
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    mean, omega, alpha, beta, degrees = (float(value) for value in _bounded(free.detach()))
    return Garch(mean * scale + centre, omega * scale**2, alpha, beta, degrees)


def _bounded(free: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return mean, omega, alpha, beta and degrees: positive, a + b < 1, degrees above 2."""
    persistence = MAX_PERSISTENCE * free[2].sigmoid()
    fraction = free[1].sigmoid()
    alpha, beta = persistence * fraction, persistence * (1 - fraction)
    return free[0], free[3].exp() * (1 - persistence), alpha, beta, MIN_DEGREES + free[4].exp()


def simulate_garch(
    fits: Sequence[Garch], correlation: Floats, count: int, steps: int, rng: np.random.Generator
) -> Floats:
    """Draw windows `[count, C, steps]` of several channels, whose shocks follow a multivariate t distribution."""
    channels = len(fits)
    root = np.linalg.cholesky(correlation + 1e-9 * np.eye(channels))
    mean, omega, alpha, beta, degrees = (
        np.array([getattr(fit, name) for fit in fits]) for name in ("mean", "omega", "alpha", "beta", "degrees")
    )
    variance = np.tile(omega / (1 - alpha - beta), (count, 1))
    sampled = np.empty((count, channels, steps))
    common = float(degrees.mean())
    for t in range(-BURN_IN, steps):
        normal = rng.standard_normal((count, channels)) @ root.T
        shock = normal * np.sqrt((common - 2) / rng.chisquare(common, (count, 1)))
        x = np.sqrt(variance) * shock
        if t >= 0:
            sampled[:, :, t] = mean + x
        variance = omega + alpha * x**2 + beta * variance
    return sampled

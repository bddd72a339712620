"""The log-likelihood of an energy model between two estimates: annealing forwards (AIS) and in reverse (RAISE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from sparring.stats.annealed_importance import (
    AnnealedEstimate,
    AnnealingPath,
    convergence_warnings,
    reverse_annealed_weights,
)
from sparring.stats.intervals import ends_of, resampled_means

CHAINS, TEMPERATURES, LOWER_ROWS = 100, 10_000, 100
MAX_GAP_NATS = 3.0
"""Largest distance of the two estimates of log Z that is not warned of."""


@runtime_checkable
class EnergyModel(Protocol):
    """A density network whose log Z is estimated, such as `nets.boltzmann.BoltzmannMachine`."""

    def log_prob(self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return log P(x) `[B]` with the latest estimate of log Z."""
        ...

    def estimate_log_z(self, generator: torch.Generator, chains: int, temperatures: int) -> AnnealedEstimate:
        """Estimate log Z, by annealing or exactly, for later calls of `log_prob`."""
        ...

    def path(self) -> AnnealingPath:
        """Return the annealing path to the model."""
        ...

    def posterior_state(self, x: Tensor, generator: torch.Generator) -> tuple[Any, Tensor]:
        """Return a state h of the path for each row, drawn from q(h | x), and log(Z p(x, h) / q(h | x)) `[B]`."""
        ...


@dataclass(frozen=True)
class LikelihoodBounds:
    """Mean log-likelihood of rows, in nats, between two ends, in expectation and as far as chains reach the model."""

    log_z: AnnealedEstimate
    upper: float
    """Mean free energy, or mean-field bound, minus log Z by AIS. log Z is low on average, so this is high."""
    gap: tuple[float, float, float]
    """Distance from `upper` down to RAISE, with the ends of its 95 % interval over chains; 0 where log Z is exact."""
    lower_rows: int
    """Number of rows from which RAISE annealed."""
    warnings: tuple[str, ...] = ()

    @property
    def lower(self) -> float:
        """RAISE: a lower bound in expectation, which needs no log Z."""
        return self.upper - self.gap[0]

    @property
    def exact(self) -> bool:
        """True where log Z is exact: both ends are then the same."""
        return self.log_z.exact


@torch.no_grad()
def likelihood_bounds(
    net: EnergyModel,
    x: Tensor,
    generator: torch.Generator,
    *,
    chains: int = CHAINS,
    temperatures: int = TEMPERATURES,
    lower_rows: int = LOWER_ROWS,
) -> LikelihoodBounds:
    """Return the mean log-likelihood of rows `x` `[N, ...]` by AIS and by RAISE; sets the log Z of `net`.

    AIS runs with half the temperatures first: a check of convergence.

    RAISE anneals down from `lower_rows` of the rows, once each. Its distance to AIS varies little from row to row, so
    the mean distance on these is subtracted from the AIS mean of all rows.
    """
    halved = net.estimate_log_z(generator, chains, max(temperatures // 2, 1))
    log_z = halved if halved.exact else net.estimate_log_z(generator, chains, temperatures)
    log_prob = torch.cat([net.log_prob(part).double().cpu() for part in torch.split(x, 500)])
    mean = float(log_prob.mean())
    if log_z.exact:
        return LikelihoodBounds(log_z, mean, (0.0, 0.0, 0.0), 0)
    subset = torch.randperm(len(x), generator=generator)[:lower_rows]
    state, log_start = net.posterior_state(x[subset], generator)
    reverse = reverse_annealed_weights(net.path(), state, temperatures, generator)
    gap = log_prob[subset] - (log_start.double().cpu() - reverse)
    warnings = *log_z.warnings, *convergence_warnings(halved, log_z), *_disagreement(reverse, log_z)
    return LikelihoodBounds(log_z, mean, (float(gap.mean()), *ends_of(resampled_means(gap))), len(gap), warnings)


def _disagreement(reverse: Tensor, log_z: AnnealedEstimate) -> tuple[str, ...]:
    """Return a warning where the estimates of log Z from the two sides contradict each other or are far apart."""
    low, high = ends_of(resampled_means(reverse))
    if high < log_z.low:
        return (
            f"do not believe this: RAISE, a lower bound, is {log_z.value - float(reverse.mean()):.1f} nats above the "
            "AIS estimate: chains do not reach the whole distribution; take more temperatures",
        )
    if low - log_z.value > MAX_GAP_NATS:
        return (
            f"do not believe this: RAISE and AIS are {float(reverse.mean()) - log_z.value:.1f} nats apart: "
            "take more temperatures",
        )
    return ()

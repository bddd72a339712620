"""The log-likelihood of an energy model between two estimates: annealing forwards (AIS) and in reverse (RAISE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from sparring.stats.annealed_importance import AnnealedEstimate, AnnealingPath, reverse_annealed_weights
from sparring.stats.intervals import LEVEL, resampled_means

CHAINS, TEMPERATURES, LOWER_ROWS = 100, 10_000, 100
MAX_GAP_NATS = 3.0
"""Largest distance of the two estimates of log Z that is not warned of."""


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
    """Mean log-likelihood of rows, in nats, between two ends. Both intervals cover annealing and not the rows' choice.

    The truth is below `upper` and above `lower`, in expectation and as far as the annealed chains reach the model.
    """

    upper: AnnealedEstimate
    """Free energy, or mean-field bound, minus log Z by AIS. log Z is low on average, so this is high."""
    lower: AnnealedEstimate
    """By RAISE: a lower bound in expectation, without log Z. Equal to `upper` where log Z is exact."""
    warnings: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """True where log Z is exact: both ends are then the same."""
        return self.upper.exact


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

    RAISE anneals down from `lower_rows` of the rows, once each. Its distance to AIS varies little from row to row, so
    the mean distance on these is subtracted from the AIS mean of all rows.
    """
    log_z = net.estimate_log_z(generator, chains, temperatures)
    log_prob = torch.cat([net.log_prob(part).double().cpu() for part in torch.split(x, 500)])
    mean = float(log_prob.mean())
    upper = _shifted(log_z, mean)
    if log_z.exact:
        return LikelihoodBounds(upper, upper, ())
    subset = torch.randperm(len(x), generator=generator)[:lower_rows]
    state, log_start = net.posterior_state(x[subset], generator)
    reverse = reverse_annealed_weights(net.path(), state, temperatures, generator)
    gap = log_prob[subset] - (log_start.double().cpu() - reverse)
    low, high = _ends(gap)
    value = mean - float(gap.mean())
    lower = AnnealedEstimate(value, mean - high, mean - low, float(len(gap)), len(gap), temperatures)
    return LikelihoodBounds(upper, lower, (*log_z.warnings, *_disagreement(reverse, log_z)))


def _shifted(log_z: AnnealedEstimate, mean: float) -> AnnealedEstimate:
    """Return the mean log-likelihood with the interval that log Z gives it."""
    low, high = mean - (log_z.high - log_z.value), mean + (log_z.value - log_z.low)
    return AnnealedEstimate(mean, low, high, log_z.ess, log_z.chains, log_z.temperatures, log_z.warnings)


def _disagreement(reverse: Tensor, log_z: AnnealedEstimate) -> tuple[str, ...]:
    """Return a warning where the estimates of log Z from the two sides contradict each other or are far apart."""
    low, high = _ends(reverse)
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


def _ends(values: Tensor) -> tuple[float, float]:
    """Return the ends of the 95 % bootstrap interval of a mean."""
    ends = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    low, high = torch.quantile(resampled_means(values), ends)
    return float(low), float(high)

"""Annealed importance sampling in both directions, on a chain of four states that can be summed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from sparring.stats.annealed_importance import (
    annealed_weights,
    convergence_warnings,
    inverse_temperatures,
    log_mean_exp,
    reverse_annealed_weights,
)

LOG_F = torch.tensor([0.0, 3.0, -2.0, 1.5], dtype=torch.float64)
"""Unnormalised target over four states; f_0 is uniform."""
EXACT = float(LOG_F.logsumexp(0))


@dataclass(frozen=True)
class Metropolis:
    """Path f_beta = exp(beta log f), with Metropolis steps to a random state: reversible."""

    log_z0: float = math.log(4)

    def start(self, chains: int, generator: torch.Generator) -> Tensor:
        return torch.randint(4, (chains,), generator=generator)

    def log_ratio(self, state: Tensor, beta: float, to: float) -> Tensor:
        return (to - beta) * LOG_F[state]

    def step(self, state: Tensor, beta: float, generator: torch.Generator) -> Tensor:
        proposal = torch.randint(4, state.shape, generator=generator)
        accepted = torch.rand(state.shape, generator=generator).log() < beta * (LOG_F[proposal] - LOG_F[state])
        return torch.where(accepted, proposal, state)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 29, 1_000])
def test_inverse_temperatures_rise_from_zero_to_one(steps: int) -> None:
    betas = inverse_temperatures(steps)
    assert len(betas) == steps + 1 and betas[0] == 0 and betas[-1] == pytest.approx(1, abs=1e-12)
    assert (betas.diff() > 0).all()
    torch.testing.assert_close(betas, 1 - betas.flip(0))


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_the_mean_weight_is_unbiased(steps: int) -> None:
    """Whatever the number of steps: the mean of exp(w) is Z, within four standard errors."""
    weights = annealed_weights(Metropolis(), 200_000, steps, seeded()).exp()
    assert weights.mean() == pytest.approx(math.exp(EXACT), abs=4 * float(weights.std()) / 200_000**0.5)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_reverse_weights_are_probabilities_of_the_annealed_model(steps: int) -> None:
    """Their means sum to 1 over the states, and equal the frequencies of forward chains."""
    chains = 100_000
    state = torch.arange(4).repeat_interleave(chains)
    log_weights = reverse_annealed_weights(Metropolis(), state, steps, seeded())
    p = (LOG_F[state] - log_weights).exp().view(4, chains)
    error = p.var(1).div(chains).sqrt()
    assert p.mean(1).sum() == pytest.approx(1, abs=4 * float(error.square().sum().sqrt()))
    path, generator = Metropolis(), seeded(1)
    forward = path.start(chains, generator)
    for beta in inverse_temperatures(steps)[1:].tolist():
        forward = path.step(forward, beta, generator)
    counts = torch.bincount(forward, minlength=4) / chains
    assert ((counts - p.mean(1)).abs() < 4 * error + 4 * (counts * (1 - counts) / chains).sqrt()).all()


def test_the_two_directions_bracket_the_exact_value() -> None:
    """In expectation: forward log weights are low on average, reverse ones of exact states high."""
    forward = annealed_weights(Metropolis(), 20_000, 10, seeded())
    states = torch.distributions.Categorical(logits=LOG_F).sample(torch.Size([20_000]))
    reverse = reverse_annealed_weights(Metropolis(), states, 10, seeded())
    assert forward.mean() < EXACT - 0.05 and reverse.mean() > EXACT + 0.05


def test_log_mean_exp_of_equal_and_of_unequal_weights() -> None:
    equal = log_mean_exp(torch.full((50,), 700.0), steps=3)
    assert (equal.value, equal.low, equal.high) == pytest.approx((700, 700, 700))
    assert equal.ess == pytest.approx(50) and equal.warnings == () and not equal.exact
    one = log_mean_exp(torch.tensor([0.0] * 99 + [50.0]), steps=3)
    assert one.value == pytest.approx(50 - math.log(100)) and one.ess == pytest.approx(1)
    assert "do not believe this: the effective sample size is 1 of 100" in one.warnings[0]


def test_intervals_cover() -> None:
    """The share of intervals that hold the exact value, over 200 estimates of 100 chains."""
    weights = annealed_weights(Metropolis(), 200 * 100, 30, seeded()).view(200, 100)
    estimates = [log_mean_exp(row, steps=30) for row in weights]
    assert sum(e.low <= EXACT <= e.high for e in estimates) >= 180


@pytest.mark.parametrize("spread", [0.3, 0.6, 1.0])
def test_intervals_cover_where_weights_are_skewed(spread: float) -> None:
    """Log-normal weights with mean 1, so that the exact value is 0."""
    log_weights = torch.randn(300, 100, generator=seeded()).double() * spread - spread**2 / 2
    estimates = [log_mean_exp(row, steps=1, seed=k) for k, row in enumerate(log_weights)]
    assert sum(e.low <= 0 <= e.high for e in estimates) >= 0.9 * 300
    assert all(e.low <= e.value <= e.high for e in estimates)


def test_a_value_that_still_moves_is_not_believed() -> None:
    halved, full = (log_mean_exp(annealed_weights(Metropolis(), 500, k, seeded(k)), steps=k) for k in (100, 200))
    assert convergence_warnings(halved, full) == () and full.low <= EXACT <= full.high
    moved = log_mean_exp(torch.randn(500, generator=seeded()) * 0.1 + full.value + 10, steps=200)
    (warning,) = convergence_warnings(full, moved)
    assert re.search("do not believe this: twice as many temperatures moved log Z by (9.9|10.0)", warning)

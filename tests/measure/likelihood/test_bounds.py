"""Log-likelihoods between two estimates, against exact values."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from torch import Tensor

from sparring.measure.likelihood.bounds import likelihood_bounds
from sparring.nets.boltzmann import BoltzmannMachine
from sparring.nets.boltzmann_energy import exact_log_z

HIDDEN = {"rbm": (12,), "dbm": (12, 5)}
PICTURES = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=6))).view(64, 1, 2, 3)


def machine(name: str, std: float) -> BoltzmannMachine:
    torch.manual_seed(0)
    return BoltzmannMachine((1, 2, 3), HIDDEN[name], std=std)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def exact(net: BoltzmannMachine) -> Tensor:
    """Exact log P of the 64 pictures, with all hidden units summed out."""
    e, v = net.energy().double(), (PICTURES.flatten(1).double() + 1) / 2
    h1 = torch.tensor(list(itertools.product([0.0, 1.0], repeat=12)), dtype=torch.float64)
    return torch.stack([e.log_joint(row.expand(len(h1), -1), h1).logsumexp(0) for row in v]) - exact_log_z(e)


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("std", [0.3, 1.5])
def test_the_two_ends_bracket_the_exact_value(monkeypatch: pytest.MonkeyPatch, name: str, std: float) -> None:
    net = machine(name, std)
    truth = exact(net)
    x = PICTURES[torch.multinomial(truth.exp(), 200, replacement=True, generator=seeded())]
    codes = ((x.flatten(1) + 1) / 2 @ torch.tensor([32.0, 16, 8, 4, 2, 1])).long()
    mean = float(truth[codes].mean())
    monkeypatch.setattr(BoltzmannMachine, "enumerable", False)
    bounds = likelihood_bounds(net, x, seeded(), temperatures=300, lower_rows=200)
    assert bounds.warnings == () and not bounds.exact and bounds.log_z.ess > 20
    gap, low, high = bounds.gap
    assert low < gap < high and bounds.lower == bounds.upper - gap and bounds.lower_rows == 200
    width = bounds.log_z.high - bounds.log_z.low
    if name == "rbm":
        assert bounds.upper - high - 0.05 < mean < bounds.upper + width + 0.05 and high < 0.6
    else:  # the mean-field bound is below the exact value
        assert bounds.upper < mean + width + 0.05 and mean - (bounds.upper - high) < 1.5


@pytest.mark.parametrize("name", HIDDEN)
def test_small_machines_are_exact(name: str) -> None:
    net = machine(name, 0.5)
    bounds = likelihood_bounds(net, PICTURES, seeded())
    assert bounds.exact and bounds.upper == bounds.lower and bounds.warnings == ()
    assert bounds.log_z.value == pytest.approx(exact_log_z(net.energy()))
    truth = float(exact(net).mean())
    assert bounds.upper == pytest.approx(truth, abs=1e-4) if name == "rbm" else bounds.upper < truth


def test_too_few_temperatures_are_not_believed() -> None:
    torch.manual_seed(0)
    net, x = BoltzmannMachine((1, 8, 8), (40,), std=1.0), torch.randn(30, 1, 8, 8).sign()
    bounds = likelihood_bounds(net, x, seeded(), temperatures=2)
    assert bounds.lower_rows == 30 and all("do not believe this" in warning for warning in bounds.warnings)
    assert any("effective sample size" in warning for warning in bounds.warnings)
    assert any("RAISE and AIS are" in warning for warning in bounds.warnings)


def test_a_lower_bound_above_the_estimate_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log Z that is 2 nats too high, as if by error."""
    net = machine("rbm", 0.1)
    monkeypatch.setattr(BoltzmannMachine, "enumerable", False)
    original = BoltzmannMachine.estimate_log_z

    def too_high(self: BoltzmannMachine, *args: object) -> object:
        estimate = original(self, *args)  # type: ignore[arg-type]
        self.log_z += 2
        moved = {name: getattr(estimate, name) + 2 for name in ("value", "low", "high")}
        return type(estimate)(**(vars(estimate) | moved))

    monkeypatch.setattr(BoltzmannMachine, "estimate_log_z", too_high)
    bounds = likelihood_bounds(net, PICTURES, seeded(), temperatures=300)
    assert re.search("RAISE, a lower bound, is [12].[90] nats above the AIS estimate", bounds.warnings[0])

"""Budgets and ledgers: composition, refusal beyond the budget, JSON there and back."""

import json
import math

import pytest

from sparring.engine.errors import SparringError, UsageError
from sparring.privacy.accountant import gaussian_noise, sgd_noise, zcdp_rho
from sparring.privacy.ledger import Budget, Ledger, Release
from sparring.privacy.mechanisms import Exponential, Gaussian, SubsampledGaussian

BUDGET = Budget(1.0, 1e-5)


def test_gaussian_mechanisms_compose_exactly():
    noise = gaussian_noise(1.0, 1e-5)
    halves = [Release(what, Gaussian(noise * math.sqrt(2)), 1.0) for what in ("first", "second")]
    ledger = Ledger(BUDGET).add(*halves)
    assert ledger.epsilon() == pytest.approx(1.0, rel=1e-4)
    assert ledger.epsilon(1) < 0.75
    with pytest.raises(SparringError, match=r"cost epsilon 1\.2"):
        ledger.add(halves[0])


def test_selections_compose_in_zcdp_and_samples_in_rdp():
    rho = zcdp_rho(1.0, 1e-5)
    measured = Release("counts", Gaussian(1 / math.sqrt(rho)), 1.0)  # half of rho
    chosen = Release("tree", Exponential(math.sqrt(8 * rho / 2 / 14), times=14), 1.0)
    ledger = Ledger(BUDGET).add(measured, chosen)
    assert ledger.epsilon() == pytest.approx(1.0, rel=1e-4)
    noise = sgd_noise(1.0, 1e-5, 0.02, 500)
    steps = Release("gradients", SubsampledGaussian(0.02, noise, 500), 0.1)
    assert Ledger(BUDGET).add(steps).epsilon() == pytest.approx(1.0, rel=1e-4)
    assert steps.noise == pytest.approx(0.1 * noise)
    assert Ledger(Budget(9.0, 1e-5)).add(steps, measured, chosen).epsilon() < 2.0


def test_json_there_and_back():
    ledger = Ledger(Budget(3.0, 1e-6), public=("the number of rows, 1,000",))
    ledger = ledger.add(
        Release("moments", Gaussian(4.0), 1.0), Release("tree", Exponential(0.1, 3), 1.0),
        Release("gradients", SubsampledGaussian(0.1, 5.0, 10), 0.5),
    )  # fmt: skip
    saved = json.loads(json.dumps(ledger.to_json()))
    assert Ledger.from_json(saved) == ledger
    assert saved["total_epsilon"] == ledger.epsilon()
    saved["releases"][0]["mechanism"]["kind"] = "magic"
    with pytest.raises(SparringError, match="damaged"):
        Ledger.from_json(saved)
    assert Ledger(BUDGET).epsilon() == 0.0


@pytest.mark.parametrize("epsilon", [0, -1, math.nan, math.inf, "much"])
def test_an_epsilon_that_is_none(epsilon):
    with pytest.raises(UsageError, match="--private must be a number above 0"):
        Budget.of(epsilon, None, 1_000)


def test_delta():
    assert Budget.of(1, None, 1_000).delta == 1e-5
    assert Budget.of(1, None, 1_000_000).delta == pytest.approx(1e-7)
    with pytest.raises(UsageError, match="not below 1/n of n = 1,000 rows"):
        Budget.of(1, 1e-3, 1_000)
    with pytest.raises(UsageError, match="--delta must be above 0"):
        Budget.of(1, 0, 1_000)
    assert "guarantees almost nothing" in Budget.of(60, None, 10).notes()[0]
    assert not Budget.of(10, None, 10).notes()

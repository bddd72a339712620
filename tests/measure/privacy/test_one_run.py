"""The audit from one run: known values, coverage on randomised response, its ceiling."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sparring.measure.privacy.one_run import epsilon_bound, expected_bound, one_run_audit, p_value


@pytest.mark.parametrize(("guesses", "bound"), [(20, 1.82), (50, 2.78), (100, 3.49), (250, 4.42), (1000, 5.81)])
def test_ceiling_of_all_right_guesses(guesses: int, bound: float) -> None:
    assert epsilon_bound(guesses, guesses, guesses, 0.0) == pytest.approx(bound, abs=0.006)
    assert epsilon_bound(guesses, guesses, guesses, 0.0) == pytest.approx(
        -math.log(0.05 ** (-1 / guesses) - 1), abs=1e-4
    )


@pytest.mark.parametrize(("right", "bound"), [(600, 0.30), (700, 0.73), (800, 1.25), (900, 2.02)])
def test_bound_of_a_thousand_guesses(right: int, bound: float) -> None:
    assert epsilon_bound(1000, 1000, right, 0.0) == pytest.approx(bound, abs=0.006)


def test_delta_costs_little_where_it_is_small_and_all_where_it_is_large() -> None:
    plain = epsilon_bound(1000, 100, 95, 0.0)
    assert plain - 0.1 < epsilon_bound(1000, 100, 95, 1e-6) <= plain
    assert epsilon_bound(1000, 100, 95, 0.1) == 0
    assert p_value(1000, 100, 50, 0.0, 0.0) > 0.5 and p_value(10, 10, 0, 1.0, 0.0) == 1


def test_bound_holds_for_randomised_response() -> None:
    """Each canary's bit is released truthfully with e^eps / (1 + e^eps): the bound exceeds eps in 5 % at most."""
    rng, epsilon, over = np.random.default_rng(0), 1.0, 0
    for _ in range(300):
        entered = rng.random(200) < 0.5
        truthful = rng.random(200) < 1 / (1 + math.exp(-epsilon))
        result = one_run_audit(np.where(truthful, entered, ~entered) + rng.random(200) / 2, entered, 60, 0.0)
        over += result.epsilon > epsilon
    assert over <= 25
    assert 0.3 < expected_bound(200, 200, epsilon, 0.0) < epsilon


def test_guesses_are_the_extremes_and_the_message_shows_the_ceiling() -> None:
    scores = np.array([-3.0, -2.0, 0.0, 0.0, 2.0, 3.0])
    entered = np.array([False, False, True, False, True, True])
    result = one_run_audit(scores, entered, 4, 0.0)
    assert (result.right, result.guesses) == (4, 4) and result.epsilon == result.ceiling
    none = one_run_audit(scores, ~entered, 4, 0.0)
    assert none.right == 0 and none.epsilon == 0
    assert "proves nothing" in none.message(1.0) and "ceiling of this audit" in none.message(1.0)
    sure = one_run_audit(np.arange(100.0), np.arange(100) >= 50, 100, 0.0)
    assert "THE PRIVACY GUARANTEE IS BROKEN" in sure.message(1.0) and "BROKEN" not in sure.message(4.0)
    with pytest.raises(ValueError, match="from 2 to the 6 canaries"):
        one_run_audit(scores, entered, 7, 0.0)

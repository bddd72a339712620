"""Simple generators of series: closed forms, recovered parameters, and what each keeps of the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from sparring.engine.data_spec import SeriesSpec
from sparring.measure.kinds.kind_measures import unlabelled
from sparring.measure.rivals.garch import Garch, fit_garch, log_likelihood, simulate_garch, variances
from sparring.measure.rivals.rivals import rivals_for
from sparring.measure.rivals.series_rivals import block_bootstrap, fit_var, iid_bootstrap, vector_autoregression


def tensors(*numbers: float) -> list[torch.Tensor]:
    return [torch.tensor(number, dtype=torch.float64) for number in numbers]


def test_variances_follow_the_recursion() -> None:
    x = torch.randn(3, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    omega, alpha, beta = 0.02, 0.1, 0.88
    expected = [x[:, :50].square().mean(1)]
    for t in range(1, 200):
        expected.append(omega + alpha * x[:, t - 1].square() + beta * expected[-1])
    torch.testing.assert_close(variances(x, *tensors(omega, alpha, beta)), torch.stack(expected, 1))


def test_without_clusters_the_likelihood_is_that_of_students_t() -> None:
    """With a = b = 0 every step but the first has the variance omega."""
    x = torch.randn(1, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    value = log_likelihood(x, *tensors(0.1, 2.0, 0.0, 0.0, 5.0))
    r = x[0].numpy() - 0.1
    std = np.sqrt(np.r_[(r[:50] ** 2).mean(), np.full(99, 2.0)])
    scale = std * np.sqrt(3 / 5)
    assert float(value) == pytest.approx(stats.t.logpdf(r, 5, scale=scale).sum())


def test_parameters_of_simulated_returns_are_recovered() -> None:
    model = Garch(0.05, 0.02, 0.1, 0.88, 6.0)
    x = simulate_garch([model], np.eye(1), 1, 20_000, np.random.default_rng(0))[0, 0]
    fit = fit_garch([x[:15_000], x[15_000:]])
    assert (fit.alpha, fit.beta) == pytest.approx((0.1, 0.88), abs=0.02)
    assert fit.degrees == pytest.approx(6, abs=0.8) and fit.mean == pytest.approx(0.05, abs=0.02)
    assert fit.shocks(x).std() == pytest.approx(1, abs=0.03)


def test_a_vector_autoregression_is_recovered() -> None:
    rng = np.random.default_rng(0)
    matrix, intercept = np.array([[0.5, 0.2], [-0.1, 0.7]]), np.array([1.0, -1.0])
    x = np.zeros((2, 20_000))
    for t in range(1, x.shape[1]):
        x[:, t] = intercept + matrix @ x[:, t - 1] + rng.normal(size=2)
    found = fit_var([x[:, :9000], x[:, 9000:]])
    for got, expected in zip(found, (intercept, matrix, np.eye(2)), strict=True):
        np.testing.assert_allclose(got, expected, atol=0.06)
    drawn = vector_autoregression([x], 2000, 30, rng)
    np.testing.assert_allclose(drawn.mean((0, 2)), x.mean(1), atol=0.1)
    np.testing.assert_allclose(fit_var(list(drawn))[1], matrix, atol=0.05)


def test_bootstraps_draw_steps_of_the_data_and_blocks_keep_their_order() -> None:
    stretches = [np.arange(100.0)[None], np.arange(1000.0, 1100)[None]]
    rng = np.random.default_rng(0)
    pool = np.concatenate(stretches, 1)
    iid = iid_bootstrap(stretches, 500, 20, rng)
    blocks = block_bootstrap(stretches, 500, 20, rng, length=10)
    assert iid.shape == blocks.shape == (500, 1, 20)
    assert np.isin(iid, pool).all() and np.isin(blocks, pool).all()
    assert (np.diff(blocks) == 1).mean() == pytest.approx(0.9, abs=0.02)
    assert (np.diff(iid) == 1).mean() < 0.02


def test_every_rival_draws_windows_like_those_of_the_data() -> None:
    rng = np.random.default_rng(0)
    long = np.exp(rng.normal(0, 0.01, (2, 500)).cumsum(1))
    rows = np.stack([long[:, k : k + 32] for k in range(400)]).astype(np.float32)
    spec = SeriesSpec(("a", "b"), 32)
    for name, rival in rivals_for(spec).items():
        drawn = rival(spec, unlabelled(rows), 50, np.random.default_rng(1))
        again = rival(spec, unlabelled(rows), 50, np.random.default_rng(1))
        assert drawn.rows.shape == (50, 2, 32) and drawn.rows.dtype == np.float32, name
        assert np.isfinite(drawn.rows).all() and (drawn.rows > 0).all(), name
        np.testing.assert_array_equal(drawn.rows, again.rows)

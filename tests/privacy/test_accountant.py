"""The accountant: published values, exact compositions, and parity with dp-accounting where that is installed."""

import math

import pytest

from sparring.privacy import accountant as account


@pytest.mark.parametrize(("epsilon", "noise"), [(0.2, 16.3), (1, 3.73), (3, 1.39), (10, 0.50)])
def test_noise_of_the_analytic_gaussian(epsilon, noise):
    assert account.gaussian_noise(epsilon, 1e-5) == pytest.approx(noise, rel=2e-3)
    assert account.gaussian_epsilon(account.gaussian_noise(epsilon, 1e-5), 1e-5) <= epsilon * (1 + 1e-5)


@pytest.mark.parametrize(("epsilon", "rho"), [(1, 0.0306), (3, 0.224), (10, 1.78)])
def test_rho_of_epsilon(epsilon, rho):
    assert account.zcdp_rho(epsilon, 1e-5) == pytest.approx(rho, rel=2e-3)
    assert account.zcdp_epsilon(account.zcdp_rho(epsilon, 1e-5), 1e-5) == pytest.approx(epsilon, rel=1e-5)


@pytest.mark.parametrize(
    ("rows", "batch", "steps", "delta", "noise"),
    [
        (60_000, 256, 1_000, 1e-5, (1.04, 0.70, 0.51)),
        (60_000, 1_024, 1_000, 1e-5, (2.35, 1.10, 0.67)),
        (60_000, 4_096, 1_000, 1e-5, (8.82, 3.36, 1.37)),
        (32_561, 1_024, 500, 1e-5, (3.01, 1.33, 0.75)),
        (1_500, 256, 500, 1e-4, (13.5, 5.2, 2.0)),
    ],
)
def test_noise_of_dp_sgd(rows, batch, steps, delta, noise):
    computed = [account.sgd_noise(epsilon, delta, batch / rows, steps) for epsilon in (1, 3, 10)]
    assert computed == pytest.approx(noise, rel=1e-2)


def test_a_sampling_rate_of_one_is_the_gaussian_mechanism():
    rdp = account.subsampled_gaussian_rdp(1.0, 2.0)
    assert rdp == pytest.approx([order / 8 for order in account.ORDERS])
    assert account.rdp_epsilon(rdp, 1e-5) == pytest.approx(account.zcdp_epsilon(1 / 8, 1e-5), rel=2e-3)  # whole orders
    assert account.gaussian_epsilon(2.0, 1e-5) < account.zcdp_epsilon(1 / 8, 1e-5)  # the exact bound is smaller


def test_limits():
    assert account.gaussian_epsilon(0.0, 1e-5) == math.inf
    assert account.sgd_epsilon(0.0, 1.0, 100, 1e-5) == 0.0
    assert account.sgd_epsilon(0.01, 0.0, 1, 1e-5) == math.inf
    assert account.zcdp_epsilon(0.0, 1e-5) == 0.0
    assert account.gaussian_epsilon(1e6, 1e-5) == 0.0
    assert account.gaussian_epsilon(0.05, 1e-5) == pytest.approx(1 / (2 * 0.05**2), rel=0.5)


@pytest.mark.parametrize("delta", [1e-5, 1e-9])
def test_parity_with_dp_accounting(delta):
    dp = pytest.importorskip("dp_accounting")
    from dp_accounting import rdp

    for noise in (0.7, 3.73):
        reference = dp.get_epsilon_gaussian(noise, delta)
        assert account.gaussian_epsilon(noise, delta) == pytest.approx(reference, rel=1e-3)
    for rate, noise, steps in ((0.004, 1.0, 1_000), (0.017, 2.35, 1_000), (0.07, 3.4, 1_000), (1.0, 5.0, 3)):
        event = dp.SelfComposedDpEvent(dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(noise)), steps)
        accountant = rdp.RdpAccountant(orders=list(account.ORDERS)).compose(event)
        assert account.sgd_epsilon(rate, noise, steps, delta) == pytest.approx(accountant.get_epsilon(delta), rel=1e-3)

"""Networks on scores of many more columns than rows, and the shrunk Gaussian that they begin as."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparring.nets.score_space import (
    ScoreDiscriminator,
    ScoreGenerator,
    ScoreSpace,
    fit_gaussian,
    score_count,
    shrinkage_of,
)

RNG = np.random.default_rng(0)


def rows(count: int = 40, columns: int = 300, factors: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a few factors and noise, in two classes."""
    y = np.arange(count) % 2
    x = RNG.normal(size=(count, factors)) @ RNG.normal(size=(factors, columns)) + RNG.normal(size=(count, columns))
    x[:, :20] += 3 * y[:, None]
    return 100 + 5 * x, y


def test_the_intensity_of_shrinkage_is_that_of_its_definition() -> None:
    z = rows(12, 7)[0]
    z = (z - z.mean(0)) / z.std(0, ddof=1)
    w = z[:, :, None] * z[:, None, :]
    n = len(z)
    r = w.sum(0) / (n - 1)
    variance = n / (n - 1) ** 3 * ((w - w.mean(0)) ** 2).sum(0)
    off = ~np.eye(7, dtype=bool)
    assert shrinkage_of(z, n - 1) == pytest.approx(min(variance[off].sum() / (r[off] ** 2).sum(), 1))


def test_noise_is_shrunk_wholly_and_strong_factors_hardly() -> None:
    noise = RNG.normal(size=(30, 200))
    factor = RNG.normal(size=(30, 1)) * np.ones((1, 200)) + 0.1 * noise
    assert fit_gaussian(noise, np.zeros(30, int), 1).shrinkage > 0.9
    assert fit_gaussian(factor, np.zeros(30, int), 1).shrinkage < 0.2


def test_samples_of_the_gaussian_have_its_means_and_covariance() -> None:
    x, y = rows(200, 6)
    fit = fit_gaussian(x, y, 2)
    sampled = fit.sample(np.repeat([0, 1], 40_000), np.random.default_rng(1))
    np.testing.assert_allclose(sampled[:40_000].mean(0), fit.means[0], atol=0.3)
    expected = np.cov(fit.residuals.T) * 199 / 198 * (1 - fit.shrinkage)
    expected[np.diag_indices(6)] = fit.std**2
    np.testing.assert_allclose(np.cov((sampled - fit.means.repeat(40_000, 0)).T), expected, rtol=0.05, atol=3)


def test_scores_are_standardised_and_few() -> None:
    x, _ = rows()
    space = ScoreSpace(300, score_count(40, 300))
    space.start(x)
    scores = space(torch.from_numpy(x).float())
    assert scores.shape == (40, 39)
    torch.testing.assert_close(scores.square().mean(0), torch.ones(39), rtol=1e-3, atol=1e-3)
    assert score_count(1000, 5000) == 50 and score_count(1, 5) == 1


def test_the_generator_begins_as_the_shrunk_gaussian() -> None:
    x, y = rows()
    net = ScoreGenerator(300, 39, 8, 16, 2)
    net.start(x, y)
    z = torch.randn(4000, net.latent_dim, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(4000) % 2
    made = net(z, labels).detach().double().numpy()
    fit = fit_gaussian(x, y, 2)
    np.testing.assert_allclose(made[1::2].mean(0), fit.means[1], atol=2.5)
    residuals = made - np.stack([made[k::2].mean(0) for k in (0, 1)])[np.arange(4000) % 2]
    np.testing.assert_allclose(residuals.std(0), fit.std, rtol=0.15)
    of_fit = fit.sample(np.arange(4000) % 2, np.random.default_rng(2))
    a, b = (np.corrcoef((s - fit.means[np.arange(4000) % 2]).T)[np.triu_indices(300, 1)] for s in (made, of_fit))
    assert np.corrcoef(a, b)[0, 1] > 0.98


def test_a_column_of_one_value_stays_and_labels_may_be_missing() -> None:
    x, y = rows()
    x[:, 5] = 7.0
    net, judge = ScoreGenerator(300, 39, 8, 16, 2), ScoreDiscriminator(300, 39, 16, 2)
    for each in (net, judge):
        each.start(x, np.where(y == 1, 1, -1))
    made = net(torch.randn(5, net.latent_dim), torch.tensor([0, 1, -1, 0, 1]))
    torch.testing.assert_close(made[:, 5], torch.full((5,), 7.0))
    logits = judge(made, torch.tensor([0, 1, -1, 0, 1]))
    assert logits.shape == (5,) and torch.isfinite(logits).all()
    assert ScoreDiscriminator(300, 39, 16)(made).shape == (5,)


def test_penalties_are_on_the_gradients_of_scores() -> None:
    x, y = rows()
    judge = ScoreDiscriminator(300, 39, 16)
    judge.start(x, y)
    rows_in = torch.from_numpy(x[:4]).float().requires_grad_()
    (gradient,) = torch.autograd.grad(judge(rows_in).sum(), rows_in)
    scores = judge.space(rows_in).detach().requires_grad_()
    h = torch.nn.functional.leaky_relu(judge.first(scores), 0.2)
    logits = judge.head(torch.nn.functional.leaky_relu(judge.second(h), 0.2))[:, -1]
    (of_scores,) = torch.autograd.grad(logits.sum(), scores)
    torch.testing.assert_close(judge.squared_gradient(gradient), of_scores.square().sum(1), rtol=1e-3, atol=1e-6)

from __future__ import annotations

import math

import pytest
import torch

from sparring.nets import lda
from sparring.nets.lda import LDA, SHRINKAGE


def clouds(count: int = 4000, features: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three Gaussian classes, labelled 0, 2 and 5, of one covariance, and that covariance."""
    rng = torch.Generator().manual_seed(0)
    mix = torch.randn(features, features, generator=rng)
    means = 9 * torch.randn(3, features, generator=rng)
    which = torch.arange(count) % 3
    x = means[which] + torch.randn(count, features, generator=rng) @ mix
    return x, torch.tensor([0, 2, 5])[which], mix.T @ mix


def shrunk(covariance: torch.Tensor) -> torch.Tensor:
    return (1 - SHRINKAGE) * covariance + SHRINKAGE * covariance.diagonal().mean() * torch.eye(len(covariance))


def test_distances_are_those_of_the_shrunk_covariance() -> None:
    x, y, covariance = clouds()
    fitted = LDA.fit(x, y)
    apart = x[:5] - x[5:10]
    expected = (apart @ shrunk(covariance).inverse() * apart).sum(1)
    found = (fitted.whiten(x[:5]) - fitted.whiten(x[5:10])).square().sum(1)
    torch.testing.assert_close(found, expected, rtol=0.08, atol=0)
    exact = LDA.fit(x.double(), y)  # in float32 all the same
    torch.testing.assert_close(exact.whiten(x), fitted.whiten(x))


def test_the_nearest_class_is_that_of_the_discriminant() -> None:
    x, y, _ = clouds()
    fitted = LDA.fit(x, y)
    assert fitted.means.shape == (3, 6)  # classes without examples have none
    places = fitted.whiten(x)
    torch.testing.assert_close(fitted.means[1], places[y == 2].mean(0), rtol=1e-3, atol=1e-3)
    density = -torch.stack([(places - mean).square().sum(1) for mean in fitted.means]).amin(0) / 2
    torch.testing.assert_close(fitted.max_log_density(places), density, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(fitted.class_dim, -2 * density.mean(), rtol=1e-3, atol=0)
    assert 3 < float(fitted.class_dim) < 6  # what was added to small variances is not filled


def test_the_mean_of_few_examples_has_a_wider_density() -> None:
    x, y, _ = clouds()
    fitted = LDA.fit(x, y)
    places = fitted.whiten(x[:50])
    one, twice = fitted.log_density(places, places[:1]), fitted.log_density(places, places[:1].repeat(2, 1))
    apart = (places - places[0]).square().sum(1)
    torch.testing.assert_close(one, -apart / 4 - fitted.class_dim * math.log(2) / 2)
    torch.testing.assert_close(twice, -apart / 3 - fitted.class_dim * math.log(1.5) / 2)


@pytest.mark.parametrize("rows", [3, 40])
def test_directions_are_limited(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Along directions that are left out all variances are their mean, and the trace stays."""
    x, y, covariance = clouds(40)
    monkeypatch.setattr(lda, "MAX_DIRECTIONS", 2)
    fitted = LDA.fit(x[:rows], y[:rows])
    assert fitted.directions.shape == (2, 6) and fitted.scales.shape == (2,)
    assert bool((fitted.scales <= fitted.other_scale + 1e-6).all()) and bool(fitted.whiten(x).isfinite().all())
    if rows == 40:
        variances = torch.cat([fitted.scales, fitted.other_scale.expand(4)]).square().reciprocal()
        assert float(variances.sum()) == pytest.approx(float(covariance.diagonal().sum()), rel=0.5)


def test_wide_features_are_fitted_by_fewer_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, _ = clouds()
    monkeypatch.setattr(lda, "MAX_EXAMPLES", 5)
    fitted = LDA.fit(x, y)
    assert fitted.directions.shape == (5, 6)  # five examples have no more
    monkeypatch.setattr(lda, "MAX_EXAMPLES", 6)
    assert LDA.fit(x, y).directions.shape == (6, 6)


def test_one_example_per_class_gives_the_identity_covariance() -> None:
    fitted = LDA.fit(torch.eye(3) * 2, torch.arange(3))
    assert float(fitted.class_dim) == 0 and fitted.max_log_density(fitted.whiten(torch.eye(3) * 2)).abs().max() < 1e-5
    apart = fitted.whiten(torch.eye(3)) - fitted.whiten(torch.zeros(3, 3))
    torch.testing.assert_close(apart.norm(dim=1), torch.full((3,), SHRINKAGE**-0.5))

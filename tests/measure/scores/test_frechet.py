import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from sparring.measure.scores.frechet import Moments, distance, frechet_distance, frechet_extrapolated, moments


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(mean: float, scales: list[float]) -> Moments:
    return Moments(2, torch.full((len(scales),), mean).double(), torch.diag(torch.tensor(scales).double() ** 2))


def test_closed_form_of_commuting_gaussians() -> None:
    """The distance is |m_a - m_b|^2 + sum (s_a - s_b)^2 if the covariances share their axes."""
    a, b = gaussian(0.0, [1.0, 2.0, 3.0]), gaussian(0.5, [1.5, 2.0, 0.5])
    assert distance(a, b) == pytest.approx(3 * 0.25 + 0.25 + 6.25, rel=1e-12)
    assert distance(a, a) == pytest.approx(0, abs=1e-12)


def test_rotated_gaussians() -> None:
    """Rotating both sets changes nothing; rotating one has a closed form in the plane."""
    turn = torch.linalg.qr(normal(4, 4)).Q
    x, y = normal(500, 4) * torch.tensor([1.0, 2, 3, 4]), normal(400, 4, seed=1) + 0.3
    assert frechet_distance(x @ turn, y @ turn).value == pytest.approx(frechet_distance(x, y).value, rel=1e-9)
    half = torch.tensor([[0.0, 1], [-1, 0]]).double()
    a = gaussian(0, [1.0, 3.0])
    b = Moments(2, a.mean, half.T @ a.covariance @ half)  # the axes change places: no longer the identity's transport
    assert distance(a, b) == pytest.approx(2 * (3 - 1) ** 2, rel=1e-12)


def test_moments_equal_numpys() -> None:
    x = normal(9000, 7).float() * 3 + 100  # more rows than one block, and a large common part
    result = moments(x)
    assert result.mean.numpy() == pytest.approx(x.double().mean(0).numpy(), rel=1e-6)
    assert result.covariance.numpy() == pytest.approx(np.cov(x.double().numpy(), rowvar=False), abs=2e-4)
    wide = normal(40, 1100)  # more columns than one block
    assert moments(wide).covariance.numpy() == pytest.approx(np.cov(wide.numpy(), rowvar=False), abs=1e-10)


def test_equals_torchmetrics() -> None:
    class Values(torch.nn.Module):
        num_features = 12

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)

    metric = FrechetInceptionDistance(feature=Values(), input_img_size=(3, 2, 2), normalize=True)
    x, y = normal(300, 3, 2, 2).float() * 1.3 + 0.2, normal(200, 3, 2, 2, seed=1).float()
    metric.update(x, real=True)
    metric.update(y, real=False)
    assert frechet_distance(x.flatten(1), y.flatten(1)).value == pytest.approx(float(metric.compute()), rel=1e-4)


def test_constant_features_and_few_rows() -> None:
    x, y = normal(50, 6), normal(50, 6, seed=1)
    x[:, 2] = y[:, 2] = 1.0  # a feature that never moves
    assert frechet_distance(x, y).value == pytest.approx(
        frechet_distance(x[:, [0, 1, 3, 4, 5]], y[:, [0, 1, 3, 4, 5]]).value
    )
    assert frechet_distance(torch.ones(20, 3), torch.ones(30, 3)).value == pytest.approx(0, abs=1e-9)
    assert frechet_distance(normal(5, 20), normal(6, 20, seed=1)).value > 0
    with pytest.raises(ValueError, match="2 rows"):
        moments(normal(1, 3))


def test_influence_is_the_change_by_a_row() -> None:
    x, y = normal(400, 3) * 1.5, normal(500, 3, seed=1) + 0.2
    estimate = frechet_distance(x, y)
    for row in (0, 7, 100):
        without = frechet_distance(torch.cat([x[:row], x[row + 1 :]]), y).value
        assert 399 * (estimate.value - without) == pytest.approx(float(estimate.x[row]), rel=0.08, abs=0.1)
        without = frechet_distance(x, torch.cat([y[:row], y[row + 1 :]])).value
        assert 499 * (estimate.value - without) == pytest.approx(float(estimate.y[row]), rel=0.08, abs=0.1)
    assert float(estimate.x.mean()) == pytest.approx(0, abs=1e-9)


def test_extrapolation_removes_the_bias() -> None:
    plain = [frechet_distance(normal(200, 16, seed=k), normal(200, 16, seed=k + 100)).value for k in range(20)]
    better = [frechet_extrapolated(normal(200, 16, seed=k), normal(200, 16, seed=k + 100)).value for k in range(20)]
    assert np.mean(plain) > 0.5  # of one distribution, whose distance is 0
    assert abs(np.mean(better)) < 0.06


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 9), st.integers(0, 99))
def test_nonnegative_and_symmetric(n: int, m: int, d: int, seed: int) -> None:
    x, y = normal(n, d, seed=seed), normal(m, d, seed=seed + 1) * 2
    there, back = frechet_distance(x, y).value, frechet_distance(y, x).value
    assert there > -1e-6 and there == pytest.approx(back, abs=1e-5)

"""Stopping rules against closed forms and synthetic sequences."""

from __future__ import annotations

import pytest
import torch

from sparring.restoration.stopping import Minimum, masked_error, moving_moments, sure


def test_moving_moments_are_the_weighted_moments() -> None:
    outputs = torch.randn(50, 1, 2, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, variance = outputs[0], torch.tensor(0.0, dtype=torch.float64)
    for output in outputs:
        mean, variance = moving_moments(mean, variance, output, torch.ones(1, 1, 2, 2, dtype=torch.float64))
    weights = 0.1 * 0.9 ** torch.arange(49, -1, -1, dtype=torch.float64)
    weights[0] /= 0.1  # the first output has the weight of all before it
    expected = (weights.view(-1, 1, 1, 1, 1) * outputs).sum(0)
    torch.testing.assert_close(mean, expected)
    torch.testing.assert_close(variance, (weights * (outputs - expected).square().mean((1, 2, 3, 4))).sum())


def test_pixels_that_are_not_predicted_do_not_count() -> None:
    where = torch.tensor([[[[1.0, 0], [0, 0]]]])
    mean, variance = moving_moments(torch.zeros(1, 3, 2, 2), torch.tensor(0.0), torch.full((1, 3, 2, 2), 2.0), where)
    torch.testing.assert_close(mean, 0.2 * where.expand(1, 3, 2, 2))
    assert float(variance) == pytest.approx(0.9 * 0.1 * 4)


def test_the_variance_of_constant_outputs_vanishes() -> None:
    mean, variance, ones = torch.zeros(1, 1, 2, 2), torch.tensor(1.0), torch.ones(1, 1, 2, 2)
    for _ in range(300):
        mean, variance = moving_moments(mean, variance, ones, ones)
    assert float(variance) < 1e-6


@pytest.mark.parametrize("own", [0.0, 0.4, 1.0])
def test_sure_is_unbiased_for_a_linear_denoiser(own: float) -> None:
    """`own` is the weight of a pixel in its own estimate, which is the divergence divided by the number of pixels."""
    generator = torch.Generator().manual_seed(0)
    clean, sigma = torch.rand(64, 64, generator=generator, dtype=torch.float64), 0.2

    def denoise(y: torch.Tensor) -> torch.Tensor:
        return own * y + (1 - own) / 2 * (y.roll(1, 0) + y.roll(1, 1))

    estimates, errors = [], []
    for _ in range(40):
        y = clean + sigma * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
        estimates.append(float(sure((denoise(y) - y).square().mean(), sigma, own)))
        errors.append(float((denoise(y) - clean).square().mean()))
    assert sum(estimates) / 40 == pytest.approx(sum(errors) / 40, rel=0.03)


def test_the_error_of_some_pixels() -> None:
    x, y, where = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2), torch.tensor([[[[1.0, 0], [1, 0]]]])
    y[0, 1, :, 0] = 3
    assert float(masked_error(x, y, where)) == pytest.approx((1 + 1 + 9 + 9) / 4)


def test_the_first_smallest_value_is_kept_with_its_output() -> None:
    minimum = Minimum((1,))
    assert not minimum.exists
    for step, value in enumerate([5.0, 3.0, 4.0, 3.0, 7.0], 1):
        minimum.update(step, torch.tensor(value), torch.tensor([float(step)]))
    assert int(minimum.step) == 2 and float(minimum.value) == 3 and float(minimum.output) == 2
    assert set(minimum.state_dict()) == {"value", "step", "output"}

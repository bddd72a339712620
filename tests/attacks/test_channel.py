from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparring.attacks.channel import CHANNELS, low_pass, quantize_mu_law, random_delay_and_gain, through_channel
from sparring.attacks.validation import frozen
from sparring.engine.errors import UsageError


def sine(pitch: float, length: int = 4000, rate: int = 8000) -> Tensor:
    return torch.sin(2 * math.pi * pitch * torch.arange(length) / rate)[None, None]


def test_mu_law_is_idempotent_with_255_values() -> None:
    x = torch.linspace(-1, 1, 100_001)
    once = quantize_mu_law(x)
    torch.testing.assert_close(quantize_mu_law(once), once, atol=1e-6, rtol=0)
    assert (
        len(once.unique()) == 255
        and once.abs().max() == pytest.approx(1)
        and float(quantize_mu_law(torch.zeros(1))) == 0
    )


@given(st.floats(-1, 1, width=32))
def test_mu_law_error_is_relative_to_loudness(value: float) -> None:
    x = torch.tensor(value)
    assert abs(float(quantize_mu_law(x) - x)) <= 0.5 * math.log(256) / 127 * (abs(value) + 1 / 255) * 1.05


def test_low_pass_keeps_low_and_removes_high_frequencies() -> None:
    middle = slice(500, 3500)
    low, high = (low_pass(sine(pitch))[0, 0, middle].abs().max() for pitch in (500, 3900))
    assert float(low) == pytest.approx(1, abs=0.01) and high < 0.01
    assert float(low_pass(torch.ones(1, 1, 300))[0, 0, 150]) == pytest.approx(1, abs=1e-5)


def test_random_delay_and_gain_ranges() -> None:
    x = torch.zeros(64, 1, 400)
    x[..., 0] = 1
    with frozen(random_delay_and_gain, seed=0):
        y = random_delay_and_gain(x, 8000)
    peak, delay = y.max(2)
    assert float(peak.min()) >= 0.5 and float(peak.max()) <= 1 and y.shape[2] == 480
    assert int(delay.max() - delay.min()) <= 80 and len(delay.unique()) > 20


@pytest.mark.parametrize("channel", CHANNELS)
def test_gradients_flow_through_every_channel(channel: str) -> None:
    x = sine(500, 1000).requires_grad_()
    model = through_channel(channel, lambda x: x.square().sum((1, 2))[:, None] * torch.tensor([1.0, -1.0]), 8000)
    (gradient,) = torch.autograd.grad(model(x)[0, 0], x)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0


def test_unknown_channel_suggests_a_name() -> None:
    with pytest.raises(UsageError, match="unknown channel 'low-pass': did you mean 'lowpass'"):
        through_channel("low-pass", lambda x: x, 8000)

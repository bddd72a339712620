"""The masking threshold against known values, and the attack below it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sparring.attacks.psychoacoustic import SAFETY_DB, MaskingThreshold, bark, psychoacoustic, quiet_threshold
from sparring.attacks.threat_for import decibel_threat
from sparring.attacks.threat_model import Threat
from sparring.engine.errors import UsageError
from sparring.nets.speech_cnn import SpeechCNN

RATE = 8000
HERTZ = torch.linspace(0, RATE / 2, 129)


def sine(pitch: float, loud: float = 0.5, length: int = 2048) -> Tensor:
    return loud * torch.sin(2 * math.pi * pitch * torch.arange(length) / RATE)[None, None]


def test_bark_and_quiet_threshold_at_known_frequencies() -> None:
    assert float(bark(torch.tensor(1000.0))) == pytest.approx(8.5, abs=0.1)  # critical band 9 begins at 920 Hz
    ear = quiet_threshold(HERTZ)
    assert float(ear[32]) == pytest.approx(3.37, abs=0.05)  # 1 kHz
    assert 3000 < float(HERTZ[ear.argmin()]) < 3600


@pytest.mark.parametrize("bin_", [10, 32, 64, 100])
def test_a_tone_masks_most_at_its_frequency_and_more_above_than_below(bin_: int) -> None:
    threshold = MaskingThreshold(sine(float(HERTZ[bin_])), RATE).decibels[0, :, 30]
    assert int((threshold - quiet_threshold(HERTZ)).argmax()) == bin_
    z = bark(HERTZ)
    above, below = ((z - z[bin_] - d).abs().argmin() for d in (1.0, -1.0))
    assert threshold[above] > threshold[below]
    level = 96 + 10 * math.log10(1.5)  # the window spreads it over both neighbours, a quarter of the power each
    assert float(threshold[bin_]) == pytest.approx(level - 6.025 - 0.275 * float(z[bin_]), abs=0.5)


def test_threshold_rises_with_loudness() -> None:
    loud, faint = (MaskingThreshold(sine(1000, volume), RATE) for volume in (0.5, 0.05))
    inside = slice(5, -5)  # at the ends rounding makes or unmakes a faint masker
    torch.testing.assert_close(loud.amplitude[..., inside], 10 * faint.amplitude[..., inside], atol=1e-4, rtol=1e-3)
    assert not MaskingThreshold(torch.zeros(1, 1, 2048), RATE).amplitude.any()


def test_excess_is_in_decibels() -> None:
    x = sine(1000)
    masking = MaskingThreshold(x, RATE)
    quieter, louder = masking.excess(x / 100), masking.excess(x / 10)
    audible = louder > -20  # far below, float32 has but its rounding
    torch.testing.assert_close(
        louder[audible] - quieter[audible], torch.full_like(louder[audible], 20.0), atol=0.1, rtol=0
    )
    at_itself = masking.excess(x)[0, 32, 30]
    assert float(at_itself) == pytest.approx(6.025 + 0.275 * 8.5 - 10 * math.log10(1.5), abs=0.5)


def test_waveform_inverts_spectrum() -> None:
    x = sine(700)
    masking = MaskingThreshold(x, RATE)
    torch.testing.assert_close(masking.waveform(masking.spectrum(x)), x, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def net() -> SpeechCNN:
    torch.manual_seed(0)
    return SpeechCNN(3, RATE, width=4).eval()


def test_attack_stays_within_threat_and_threshold(net: SpeechCNN) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.cat([sine(float(HERTZ[k])) for k in (20, 40, 60, 80)]) + 0.02 * torch.randn(4, 1, 2048, generator=rng)
    own = torch.ones(1, 1, 2048)
    own[..., 1800:] = 0
    y = net(x).argmax(1)
    threat = decibel_threat(x, -10, mask=own)
    result = psychoacoustic(net, x, y, threat, RATE, steps=20)
    change = result.adv - x
    assert threat.allows(result.adv, x).all() and not change[..., 1800:].any()
    assert torch.equal(net(result.adv).argmax(1) != y, result.success)
    masking = MaskingThreshold(x, RATE)
    energy = masking.spectrum(change).abs().square()
    assert float((energy * (masking.excess(change) > 0)).sum() / energy.sum().clamp(min=1e-20)) < 0.01
    assert (result.loss >= psychoacoustic(net, x, y, threat, RATE, steps=1).loss - 1e-4).all() and SAFETY_DB > 0


def test_silent_rows_and_wrong_shapes(net: SpeechCNN) -> None:
    x = torch.cat([sine(500), torch.zeros(1, 1, 2048)])
    result = psychoacoustic(net, x, net(x).argmax(1), decibel_threat(x, -20), RATE, steps=2)
    assert not result.adv[1].any() and not result.success[1]
    with pytest.raises(UsageError, match=r"x is \[2, 1, 4, 4\]: give waveforms"):
        psychoacoustic(net, torch.zeros(2, 1, 4, 4), torch.zeros(2).long(), Threat("Linf", 0.1, -1), RATE)

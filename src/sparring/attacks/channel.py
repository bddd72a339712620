"""Audio channels between a sound and a recogniser, such as a telephone line, for attacks that must survive them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from sparring.attacks.validation import Model
from sparring.attacks.wrappers import Stage, bpda, eot
from sparring.engine.errors import UsageError, did_you_mean

MU = 255
"""Parameter of the 8-bit mu-law (ITU-T G.711)."""
CUTOFF = 0.85
"""Cutoff as a fraction of the Nyquist frequency: a telephone passes 3,400 of 4,000 Hz."""
TAPS = 65
"""Length of the low-pass filter, in samples."""
MIN_GAIN = 0.5
"""Smallest random gain."""
MAX_DELAY_SECONDS = 0.01
"""Largest random delay."""
DRAWS = 8
"""Passes through a random channel that an attack, and the evaluation of its result, average over."""


def quantize_mu_law(x: Tensor) -> Tensor:
    """Quantize x (any shape, in [-1, 1]) by the 8-bit mu-law: sign(x) ln(1 + 255 |x|) / ln 256 in 127 steps each way.

    Idempotent. Its gradient is zero; `bpda(quantize_mu_law, model)` replaces it.
    """
    steps = torch.round(127 * torch.log1p(MU * x.abs().clamp(max=1)) / math.log1p(MU))
    return x.sign() * torch.expm1(steps / 127 * math.log1p(MU)) / MU


def low_pass(x: Tensor, cutoff: float = CUTOFF) -> Tensor:
    """Filter waveforms `[B, 1, T]` by a Hamming-windowed sinc with `cutoff`, a fraction of the Nyquist frequency.

    Returns `[B, 1, T + 64]`, delayed by 32 samples.
    """
    t = torch.arange(TAPS, dtype=torch.float64) - TAPS // 2
    taps = cutoff * torch.sinc(cutoff * t) * torch.hamming_window(TAPS, periodic=False, dtype=torch.float64)
    return conv1d(x, (taps / taps.sum()).to(x)[None, None], padding=TAPS - 1)


def random_delay_and_gain(x: Tensor, rate: int) -> Tensor:
    """Delay each waveform `[B, 1, T]` by up to 10 ms and attenuate it by up to 6 dB, by the global random state.

    Returns `[B, 1, T + D]`, where D is the largest delay in samples.
    """
    max_delay = int(MAX_DELAY_SECONDS * rate)
    delay = torch.randint(max_delay + 1, (len(x), 1, 1), device=x.device)
    positions = torch.arange(x.shape[2] + max_delay, device=x.device) - delay + max_delay
    gain = MIN_GAIN + (1 - MIN_GAIN) * torch.rand(len(x), 1, 1, device=x.device)
    return gain * pad(x, (max_delay, max_delay)).gather(2, positions)


def _telephone(model: Model, rate: int) -> Model:
    return _Staged(low_pass, bpda(quantize_mu_law, model))


def _random_telephone(model: Model, rate: int) -> Model:
    return eot(_Staged(lambda x: random_delay_and_gain(x, rate), _telephone(model, rate)), DRAWS)


CHANNELS: dict[str, Callable[[Model, int], Model]] = {
    "none": lambda model, rate: model,
    "8bit": lambda model, rate: bpda(quantize_mu_law, model),
    "lowpass": lambda model, rate: _Staged(low_pass, model),
    "both": _telephone,
    "moving": _random_telephone,
}
"""Channels by name: (model, sampling rate in Hz) -> the model behind the channel.

`both` is a low-pass followed by 8 bits, as on a telephone line; `moving` puts a random delay and gain before it."""


def through_channel(channel: str, model: Model, rate: int) -> Model:
    """Return the `model` of waveforms `[B, 1, T]` behind a channel of `CHANNELS`; gradients flow through it."""
    if channel not in CHANNELS:
        raise UsageError(f"unknown channel '{channel}': {did_you_mean(channel, CHANNELS)}")
    return CHANNELS[channel](model, rate)


class _Staged(nn.Module):
    """The composition `model(stage(x))`."""

    def __init__(self, stage: Stage, model: Model) -> None:
        super().__init__()
        self.stage, self.model = stage, model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(self.stage(x))

"""What lies between a sound and a recogniser: a telephone line, for attacks that must get through it."""

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
"""Of the mu-law, with 8 bits (ITU-T G.711)."""
CUT = 0.85
"""Of the highest frequency: what a telephone lets through of 4,000 Hz is 3,400."""
TAPS = 65
"""Of the low-pass filter."""
QUIETEST = 0.5
"""The smallest random gain."""
LATEST = 0.01
"""Seconds: the largest random delay."""
DRAWS = 8
"""Over which an attack through a random channel takes its mean, and by whose mean it is judged."""


def quantize_mu_law(x: Tensor) -> Tensor:
    """The mu-law in 8 bits: sign(x) ln(1 + 255 |x|) / ln 256, rounded to 127 steps either side, and back. Shape as given.

    Twice is the same as once. Lets no gradient through: `bpda(eight_bit, model)` does.
    """
    steps = torch.round(127 * torch.log1p(MU * x.abs().clamp(max=1)) / math.log1p(MU))
    return x.sign() * torch.expm1(steps / 127 * math.log1p(MU)) / MU


def low_pass(x: Tensor, cut: float = CUT) -> Tensor:
    """Waveforms `[B, 1, T]` without what is above `cut`, a share of the highest frequency: a Hamming-windowed sinc.

    `[B, 1, T + 64]`: it comes 32 samples later, and rings out.
    """
    at = torch.arange(TAPS, dtype=torch.float64) - TAPS // 2
    taps = cut * torch.sinc(cut * at) * torch.hamming_window(TAPS, periodic=False, dtype=torch.float64)
    return conv1d(x, (taps / taps.sum()).to(x)[None, None], padding=TAPS - 1)


def random_delay_and_gain(x: Tensor, rate: int) -> Tensor:
    """Each waveform `[B, 1, T]` up to 6 dB quieter and 10 ms later, at random by the global random numbers."""
    most = int(LATEST * rate)
    late = torch.randint(most + 1, (len(x), 1, 1), device=x.device)
    places = torch.arange(x.shape[2] + most, device=x.device) - late + most
    gain = QUIETEST + (1 - QUIETEST) * torch.rand(len(x), 1, 1, device=x.device)
    return gain * pad(x, (most, most)).gather(2, places)


def _line(model: Model, rate: int) -> Model:
    return _Through(low_pass, bpda(quantize_mu_law, model))


def _moving(model: Model, rate: int) -> Model:
    return eot(_Through(lambda x: random_delay_and_gain(x, rate), _line(model, rate)), DRAWS)


CHANNELS: dict[str, Callable[[Model, int], Model]] = {
    "none": lambda model, rate: model,
    "8bit": lambda model, rate: bpda(quantize_mu_law, model),
    "lowpass": lambda model, rate: _Through(low_pass, model),
    "both": _line,
    "moving": _moving,
}
"""Name -> (model, samples a second) -> the model at the other end: 8 bits, a low-pass, one after the other (as on a
telephone line), and that for a sound that comes at a random moment and loudness."""


def through_channel(channel: str, model: Model, rate: int) -> Model:
    """The `model` of waveforms `[B, 1, T]` at the other end of a channel of `CHANNELS`; gradients flow."""
    if channel not in CHANNELS:
        raise UsageError(f"unknown channel '{channel}': {did_you_mean(channel, CHANNELS)}")
    return CHANNELS[channel](model, rate)


class _Through(nn.Module):
    """`model(stage(x))`."""

    def __init__(self, stage: Stage, model: Model) -> None:
        super().__init__()
        self.stage, self.model = stage, model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(self.stage(x))

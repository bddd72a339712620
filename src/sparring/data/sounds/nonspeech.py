"""Sounds that are no speech, made up: noise, hum, clicks, chords. A recogniser should hear nothing in them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Make = Callable[[int, int, int, torch.Generator], Tensor]
"""(count, samples, samples a second, generator) -> `[count, samples]`."""


def noise(count: int, length: int, rate: int, rng: torch.Generator) -> Tensor:
    """Noise whose power falls with frequency by a power from 0 (white) to 2 (brown)."""
    white = torch.fft.rfft(torch.randn(count, length, generator=rng))
    slope = torch.rand(count, 1, generator=rng)
    coloured: Tensor = torch.fft.irfft(white / torch.arange(1, white.shape[1] + 1).pow(slope), length)
    return coloured


def hum(count: int, length: int, rate: int, rng: torch.Generator) -> Tensor:
    """Return the mains, or a motor: 8 harmonics of 40 to 160 Hz."""
    pitch = 40 * torch.exp2(2 * torch.rand(count, 1, 1, generator=rng))
    return _tones(pitch * torch.arange(1, 9)[:, None], length, rate, rng)


def clicks(count: int, length: int, rate: int, rng: torch.Generator) -> Tensor:
    """About 5 to 50 short decaying clicks a second."""
    often = 5 * 10 ** torch.rand(count, 1, generator=rng) / rate
    struck = torch.randn(count, length, generator=rng) * (torch.rand(count, length, generator=rng) < often)
    struck[:, 0] = 1
    decay = torch.exp(-torch.arange(length) / (0.002 * rate)) * torch.randn(length, generator=rng)
    spectrum = torch.fft.rfft(struck, 2 * length) * torch.fft.rfft(decay, 2 * length)
    rung: Tensor = torch.fft.irfft(spectrum, 2 * length)[:, :length]
    return rung


def chord(count: int, length: int, rate: int, rng: torch.Generator) -> Tensor:
    """Return a major chord, 4:5:6, of plucked strings: 3 harmonics each, dying away."""
    root = 120 * torch.exp2(2 * torch.rand(count, 1, 1, generator=rng))
    tones = _tones(root * torch.tensor([k * j / 4 for k in (4, 5, 6) for j in (1, 2, 3)])[:, None], length, rate, rng)
    return tones * torch.exp(-torch.arange(length) / (0.4 * rate))


NONSPEECH: dict[str, Make] = {"noise": noise, "hum": hum, "clicks": clicks, "chord": chord}
"""By name."""


def nonspeech(kind: str, count: int, length: int, rate: int, rng: torch.Generator) -> Tensor:
    """`count` waveforms `[count, length]` of one of `NONSPEECH`, each with a peak of 1/2."""
    waves = NONSPEECH[kind](count, length, rate, rng)
    return waves / (2 * waves.abs().amax(1, keepdim=True).clamp(min=1e-12))


def _tones(pitches: Tensor, length: int, rate: int, rng: torch.Generator) -> Tensor:
    """Return sums of sines `[count, length]` of `pitches` `[count, tones, 1]` in Hz, the k-th 1/k as loud."""
    phase = torch.rand(pitches.shape, generator=rng)
    loud = (pitches < rate / 2) / torch.arange(1, pitches.shape[1] + 1)[:, None]
    return (loud * torch.sin(2 * math.pi * (pitches * torch.arange(length) / rate + phase))).sum(1)

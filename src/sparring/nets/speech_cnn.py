"""A small CNN that classifies single words: a differentiable log-mel front end and convolutions, for any length."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad, relu

MAX_FRAME_SECONDS = 0.032
"""Upper bound of the frame length, which is rounded down to a power of two of samples."""
BANDS = 32
"""Number of mel bands."""
RELATIVE_POWER_FLOOR = 1e-6
"""Power relative to the loudest moment that counts as silence (-60 dB)."""
MIN_PEAK_POWER = 1e-10
"""Smallest peak power by which a waveform is normalised."""
STAGES = 3
"""Number of stages, each a convolution and a pooling by two."""
RECEPTIVE_FIELD_FRAMES = 22
"""Frames that one output depends on: 1 + (2 + 1) (1 + 2 + 4)."""


def mel(hertz: Tensor) -> Tensor:
    """Convert frequencies to the mel scale, 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""
    return 2595 * torch.log10(1 + hertz / 700)


def mel_matrix(bands: int, bins: int, rate: int) -> Tensor:
    """Return the mel filter bank `[bands, bins]`, triangles with equal spacing in mel.

    The bins go from 0 to rate / 2 hertz. Between the outermost centres the filters sum to 1 at each frequency.
    """
    mels = mel(torch.linspace(0, rate / 2, bins, dtype=torch.float64))
    spacing = mels[-1] / (bands + 1)
    centres = spacing * torch.arange(1, bands + 1)
    return (1 - (mels - centres[:, None]).abs() / spacing).clamp(min=0).float()


class LogMel(nn.Module):
    """Waveforms `[B, T]` -> log-mel spectrograms `[B, 1, bands, frames]`, from about -1 (silence) to 1."""

    window: Tensor
    matrix: Tensor

    def __init__(self, rate: int, bands: int = BANDS) -> None:
        super().__init__()
        self.length = 2 ** (int(MAX_FRAME_SECONDS * rate).bit_length() - 1)
        self.hop = self.length // 2
        self.register_buffer("window", torch.hann_window(self.length), persistent=False)
        self.register_buffer("matrix", mel_matrix(bands, self.length // 2 + 1, rate), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map waveforms to spectrograms, float32. The gradient is nonzero below the floor, too."""
        device = "cpu" if x.is_meta else x.device.type  # the meta device has no autocast
        with torch.autocast(device, enabled=False):
            spectrum = torch.stft(
                x.float(), self.length, self.hop, window=self.window, center=False, return_complex=True
            )
            power = self.matrix @ torch.view_as_real(spectrum).square().sum(-1)
            relative = power / power.amax((1, 2), keepdim=True).clamp(min=MIN_PEAK_POWER)
            log_floor = math.log10(RELATIVE_POWER_FLOOR)
            return (1 - 2 * torch.log10(relative + RELATIVE_POWER_FLOOR) / log_floor)[:, None]


class SpeechCNN(nn.Module):
    """Waveforms `[B, 1, T]` in [-1, 1] of any length T -> logits of words `[B, words]`; `features` are `[B, 4 width]`.

    Silence longer than the receptive field is added on both sides, and convolutions have no padding in time. Features
    are maxima over time. So silence after the word changes nothing, and silence before it only shifts the frames.
    """

    def __init__(
        self, words: int, rate: int, width: int = 32, norm: Callable[[int], nn.Module] = nn.BatchNorm2d
    ) -> None:
        super().__init__()
        self.front = LogMel(rate)
        sides = [1, width, 2 * width, 2 * width]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=(1, 0), bias=False), norm(b)) for a, b in pairwise(sides)
        )
        self.all_bands = nn.Conv2d(sides[-1], 4 * width, (BANDS >> STAGES, 1))
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(4 * width, words))

    def features(self, x: Tensor) -> Tensor:
        """Map waveforms to features."""
        silence = (RECEPTIVE_FIELD_FRAMES + 2**STAGES) * self.front.hop
        h = self.front(pad(x.squeeze(1), (silence, silence)))
        for stage in self.stages:
            h = max_pool2d(relu(stage(h)), 2)
        return relu(self.all_bands(h)).squeeze(2).amax(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map waveforms to logits, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits.float()

"""A small recogniser of single words: a differentiable log-mel front end and convolutions, for waveforms of any length."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad, relu

LONGEST = 0.032
"""Seconds of a frame, down to a power of two of samples."""
BANDS = 32
FLOOR = 1e-6
"""Of the power, against the loudest moment: 60 dB below it everything counts as silence."""
LOWEST = 1e-10
"""Power of the loudest moment below which a waveform is silent."""
STAGES = 3
"""Of convolution and pooling by two."""
FIELD = 22
"""Frames that one output sees: 1 + (2 + 1) (1 + 2 + 4)."""


def mel(hertz: Tensor) -> Tensor:
    """The mel scale of pitch, 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""
    return 2595 * torch.log10(1 + hertz / 700)


def mel_matrix(bands: int, bins: int, rate: int) -> Tensor:
    """Triangles that are even in mel, `[bands, bins]`: at each frequency between the outermost centres they add up to 1."""
    at = mel(torch.linspace(0, rate / 2, bins, dtype=torch.float64))
    spacing = at[-1] / (bands + 1)
    centres = spacing * torch.arange(1, bands + 1)
    return (1 - (at - centres[:, None]).abs() / spacing).clamp(min=0).float()


class LogMel(nn.Module):
    """Waveforms `[B, T]` -> log-mel pictures `[B, 1, bands, frames]` from about -1 (silence) to 1, however loud they are."""

    window: Tensor
    matrix: Tensor

    def __init__(self, rate: int, bands: int = BANDS) -> None:
        super().__init__()
        self.length = 2 ** (int(LONGEST * rate).bit_length() - 1)
        self.hop = self.length // 2
        self.register_buffer("window", torch.hann_window(self.length), persistent=False)
        self.register_buffer("matrix", mel_matrix(bands, self.length // 2 + 1, rate), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The picture, float32; its gradient flows everywhere."""
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.stft(
                x.float(), self.length, self.hop, window=self.window, center=False, return_complex=True
            )
            power = self.matrix @ torch.view_as_real(spectrum).square().sum(-1)
            share = power / power.amax((1, 2), keepdim=True).clamp(min=LOWEST)
            return (1 - 2 * torch.log10(share + FLOOR) / math.log10(FLOOR))[:, None]


class SpeechCNN(nn.Module):
    """Logits of words `[B, K]` from waveforms `[B, 1, T]` in [-1, 1] of any length.

    Each waveform is set between silences longer than what one output sees, nothing is padded within, and of each feature
    the largest over time counts: more silence after the word changes nothing, before it only where the frames lie.
    """

    def __init__(self, words: int, rate: int, width: int = 32) -> None:
        super().__init__()
        self.front = LogMel(rate)
        sides = [1, width, 2 * width, 2 * width]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=(1, 0), bias=False), nn.BatchNorm2d(b)) for a, b in pairwise(sides)
        )
        self.whole = nn.Conv2d(sides[-1], 4 * width, (BANDS >> STAGES, 1))
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(4 * width, words))

    def forward(self, x: Tensor) -> Tensor:
        """The logits, float32."""
        silence = (FIELD + 2**STAGES) * self.front.hop
        h = self.front(pad(x.squeeze(1), (silence, silence)))
        for stage in self.stages:
            h = max_pool2d(relu(stage(h)), 2)
        logits: Tensor = self.head(relu(self.whole(h)).squeeze(2).amax(2))
        return logits.float()

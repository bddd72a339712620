"""Waveforms as log-mel pictures and back: the analysis loses the phases, the synthesis finds consistent ones.

The synthesis takes magnitudes by the pseudo-inverse of the filter bank, and phases by the fast Griffin-Lim algorithm
(Perraudin, Balazs and Søndergaard 2013, "A fast Griffin-Lim algorithm", Algorithm 2).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from sparring.engine.data_spec import AudioSpec, ImageSpec
from sparring.nets.speech_cnn import mel_matrix

BANDS = 48
"""Number of mel bands. Words survive 32, the pitch of a voice needs more (docs/lab-notebook.md)."""
HOP_SECONDS = 0.016
"""Upper bound of the time between two frames, which is rounded down to a power of two of samples."""
WINDOW_HOPS = 4
FRAMES_UNIT = 16
"""Divisor of the number of frames, so that networks can halve it."""
FLOOR_DB = -100.0
"""Level of a band, relative to a sine of full scale, that counts as silence and becomes -1; 0 dB becomes 1."""
SILENT_FRAME = -0.95
"""Largest mean over the bands of a frame without sound."""
MOMENTUM = 0.99
"""Weight of the latest step (alpha of Algorithm 2)."""
ITERATIONS = 16
"""Steps of Griffin-Lim. With twice as many, spectra of spoken digits are nearer by 0.06 dB (docs/lab-notebook.md)."""


class MelCodec(nn.Module):
    """Waveforms `[B, 1, T]` in [-1, 1] <-> pictures `[B, 1, bands, frames]` in [-1, 1], for one length T.

    Pictures last at least `covered` samples; what follows them is cut off by `encode` and silent in `decode`. There is
    nothing to learn, and the buffers are not saved.
    """

    window: Tensor
    matrix: Tensor
    inverse: Tensor
    phase: Tensor

    def __init__(self, rate: int, length: int, covered: int, bands: int = BANDS) -> None:
        super().__init__()
        self.length, self.bands = length, bands
        self.hop = 2 ** max(int(HOP_SECONDS * rate).bit_length() - 1, 3)
        self.size = WINDOW_HOPS * self.hop
        self.frames = -(-covered // (self.hop * FRAMES_UNIT)) * FRAMES_UNIT
        bins = self.size // 2 + 1
        matrix = mel_matrix(bands, bins, rate).double()
        matrix = matrix / matrix.sum(1, keepdim=True).clamp(min=1e-9)
        turns = torch.from_numpy(np.random.default_rng(0).random((bins, self.frames), np.float32)).to(matrix.device)
        self.register_buffer("window", torch.hann_window(self.size), persistent=False)
        self.register_buffer("matrix", matrix.float(), persistent=False)
        self.register_buffer("inverse", torch.linalg.pinv(matrix).float(), persistent=False)
        self.register_buffer("phase", 2 * math.pi * turns, persistent=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, bands and frames of a picture."""
        return 1, self.bands, self.frames

    def encode(self, x: Tensor) -> Tensor:
        """Return the pictures of waveforms, float32."""
        samples = self.frames * self.hop
        with _full_precision(x):
            wave = x.float().squeeze(1)[:, :samples]
            magnitude = self._stft(pad(wave, (0, samples - wave.shape[1]))).abs() * 2 / self.window.sum()
            level = 20 * torch.log10(self.matrix @ magnitude + 10 ** (FLOOR_DB / 20))
            pictures: Tensor = (1 - 2 * level / FLOOR_DB).clamp(-1, 1)[:, None]
        return pictures

    def decode(self, pictures: Tensor) -> Tensor:
        """Return waveforms of pictures, float32; they are 0 after the last frame with sound."""
        with _full_precision(pictures):
            pictures = pictures.float().squeeze(1)
            level = 10 ** ((1 - pictures) * FLOOR_DB / 40) - 10 ** (FLOOR_DB / 20)
            magnitude = (self.inverse @ level.clamp(min=0)).clamp(min=0) * self.window.sum() / 2
            wave = self._griffin_lim(magnitude)
        wave = torch.where(torch.arange(wave.shape[1], device=wave.device) < self._ends(pictures)[:, None], wave, 0)
        wave = wave[:, : self.length]
        return pad(wave, (0, self.length - wave.shape[1])).clamp(-1, 1)[:, None]

    def _ends(self, pictures: Tensor) -> Tensor:
        """Return samples before the silence at the end, `[B]`: the last frame with sound is centred 2 hops behind."""
        sounding = pictures.mean(1) > SILENT_FRAME
        frames = self.frames - sounding.flip(1).int().argmax(1) - WINDOW_HOPS // 2
        ends: Tensor = torch.where(sounding.any(1), frames.clamp(min=1), 0) * self.hop
        return ends

    def _griffin_lim(self, magnitude: Tensor) -> Tensor:
        """Return waveforms `[B, frames * hop]` whose spectra have nearly these magnitudes `[B, bins, frames]`."""
        spectrum = torch.polar(magnitude, self.phase.expand_as(magnitude))
        before = torch.zeros_like(spectrum)
        for _ in range(ITERATIONS):
            projected = self._stft(self._istft(spectrum))
            accelerated = projected + MOMENTUM * (projected - before)
            before = projected
            spectrum = magnitude * accelerated.sgn()
        return self._istft(spectrum)

    def _stft(self, wave: Tensor) -> Tensor:
        """Return spectra `[B, bins, frames]`; the frame in the middle of which the waveform ends is left out."""
        spectra = torch.stft(wave, self.size, self.hop, window=self.window, pad_mode="constant", return_complex=True)
        return spectra[..., : self.frames]

    def _istft(self, spectra: Tensor) -> Tensor:
        samples = self.frames * self.hop
        return torch.istft(pad(spectra, (0, 1)), self.size, self.hop, window=self.window, length=samples)


def _full_precision(x: Tensor) -> torch.autocast:
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)  # the meta device has none


def codec_for(spec: AudioSpec) -> MelCodec:
    """Return the codec of recordings of one rate and length."""
    return MelCodec(spec.rate, spec.length, spec.covered or spec.length)


def pictures_of(spec: AudioSpec) -> ImageSpec:
    """Return the spec of the pictures of recordings; recordings without a label just have none."""
    _, bands, frames = codec_for(spec).shape
    return ImageSpec(bands, frames, 1, spec.classes, spec.count, condition_stats=spec.condition_stats)


def to_pictures(spec: AudioSpec, rows: NDArray[np.int16], chunk: int = 256) -> NDArray[np.uint8]:
    """Return recordings int16 `[N, T]` as stored pictures uint8 `[N, bands, frames, 1]`, the lowest band first."""
    codec = codec_for(spec)
    parts = [codec.encode(spec.encode(rows[k : k + chunk])) for k in range(0, len(rows), chunk)]
    pictures = torch.cat(parts) if parts else torch.zeros(0, *codec.shape)
    array: NDArray[np.uint8] = ((pictures + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return array

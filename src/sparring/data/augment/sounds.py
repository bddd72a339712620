"""Differentiable augmentation of the pictures of sounds (`nets/mel_codec.py`), where -1 is silence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch
from sparring.engine.precision import at_least_float32

MAX_SHIFT = 1 / 16
"""Largest delay or advance, as a fraction of the frames."""
MAX_GAIN = 0.08
"""Largest change of a level above silence, as a fraction of that level: 6 dB at -20 dB of full scale."""
MAX_TILT = 0.08
"""Largest further change of the outermost bands, which grows evenly over the bands: brighter or darker."""


class SoundAugment(nn.Module):
    """A delay or advance, a gain and a spectral tilt of every picture `[B, C, bands, frames]`, all uniform.

    What moves out of the picture is lost; silence moves in.
    """

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """Return pictures of the same shape, changed by the noise of `batch`."""
        x = at_least_float32(x)
        bands, frames = x.shape[2:]
        u = 2 * batch.uniform(3).to(x.dtype) - 1
        with torch.autocast(x.device.type, enabled=False):
            most = int(frames * MAX_SHIFT)
            source = torch.arange(frames, device=x.device) - (u[:, :1] * (most + 0.5)).round().long()
            inside = (source >= 0) & (source < frames)
            idx = source.clamp(0, frames - 1)[:, None, None].expand_as(x)
            level = torch.where(inside[:, None, None], x.gather(3, idx) + 1, 0)
            slope = torch.linspace(-1, 1, bands, device=x.device, dtype=x.dtype)
            factor = 1 + MAX_GAIN * u[:, 1:2] + MAX_TILT * u[:, 2:] * slope
            return level * factor[:, None, :, None] - 1

    def observe(self, real: Tensor, fake: Tensor) -> None:
        """Do nothing: the strength is fixed."""

    def stats(self) -> dict[str, Tensor | float]:
        """Return nothing: nothing changes."""
        return {}

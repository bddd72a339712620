"""A generator and a discriminator of sounds: networks of pictures, and the codec between these and waveforms.

The game is played on pictures: gradients of a discriminator by the waveform would be those of its loudest bands, and
networks on waveforms are ten times as slow (docs/lab-notebook.md).
"""

from __future__ import annotations

from torch import Tensor, nn

from sparring.nets.mel_codec import MelCodec


class SoundGenerator(nn.Module):
    """Noise `[B, latent_dim]` (and labels) -> pictures in training mode, waveforms `[B, 1, T]` in eval mode."""

    def __init__(self, pictures: nn.Module, codec: MelCodec) -> None:
        super().__init__()
        self.pictures, self.codec = pictures, codec

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise (and labels) to pictures, or in eval mode to waveforms."""
        pictures: Tensor = self.pictures(z, y)
        return pictures if self.training or pictures.is_meta else self.codec.decode(pictures)


class SoundDiscriminator(nn.Module):
    """Pictures `[B, 1, bands, frames]` or waveforms `[B, 1, T]` (and labels) -> logits `[B]`."""

    def __init__(self, pictures: nn.Module, codec: MelCodec) -> None:
        super().__init__()
        self.pictures, self.codec = pictures, codec

    def represent(self, x: Tensor) -> Tensor:
        """Return the pictures of waveforms."""
        return self.codec.encode(x)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Map pictures, or waveforms, to logits, positive for real."""
        logits: Tensor = self.pictures(self.represent(x) if x.dim() == 3 else x, y)
        return logits

    @property
    def feature_count(self) -> int:
        """Number of features of a picture."""
        return int(self.pictures.feature_count)  # type: ignore[arg-type]

    def features(self, x: Tensor) -> Tensor:
        """Map pictures to features `[B, feature_count]`."""
        h: Tensor = self.pictures.features(x)  # type: ignore[operator]
        return h

    def logits(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Map features (and labels) to logits `[B]`."""
        logits: Tensor = self.pictures.logits(h, y)  # type: ignore[operator]
        return logits

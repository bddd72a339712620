"""A discriminator with auxiliary heads that predict an image's class and rotation (Lučić et al. 2019, section 3)."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from sparring.nets.layers import Head


class FeatureDiscriminator(Protocol):
    """A discriminator whose forward pass is `logits(features(x), y)`."""

    feature_count: int

    def features(self, x: Tensor) -> Tensor:
        """Map images `[B, C, H, W]` to features `[B, feature_count]`."""
        ...

    def logits(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Map features (and labels `[B]`) to logits `[B]`, positive for real."""
        ...


class AuxiliaryHeads(nn.Module):
    """A discriminator with two linear heads on its features: one for `classes`, one for `rotations` of images."""

    def __init__(self, body: nn.Module, classes: int, rotations: int) -> None:
        super().__init__()
        self.body: FeatureDiscriminator = body  # type: ignore[assignment]  # an nn.Module with this protocol
        self.classes = Head(self.body.feature_count, classes)
        self.rotations = Head(self.body.feature_count, rotations)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Map images (and labels) to logits `[B]`, positive for real."""
        return self.body.logits(self.body.features(x), y)

    def class_logits(self, x: Tensor) -> Tensor:
        """Map images to logits `[B, classes]`, float32."""
        logits: Tensor = self.classes(self.body.features(x))
        return logits

    def rotation_logits(self, x: Tensor) -> Tensor:
        """Map images to logits `[B, rotations]`, float32."""
        logits: Tensor = self.rotations(self.body.features(x))
        return logits

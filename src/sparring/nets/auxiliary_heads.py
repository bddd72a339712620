"""A discriminator whose features also tell the class of an image and how it was turned (Lučić et al. 2019, section 3)."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from sparring.nets.layers import Head


class Judge(Protocol):
    """A discriminator in two halves: what it sees, and what it makes of that."""

    feature_count: int

    def features(self, x: Tensor) -> Tensor:
        """Images `[B, C, H, W]` -> `[B, feature_count]`."""
        ...

    def judge(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Features (and labels `[B]`) -> logits `[B]`."""
        ...


class AuxiliaryHeads(nn.Module):
    """A discriminator of two halves with linear heads on its features: `classes` of images, and `turns` of them."""

    def __init__(self, body: nn.Module, classes: int, turns: int) -> None:
        super().__init__()
        self.body: Judge = body  # type: ignore[assignment]  # an nn.Module that is a Judge
        self.classes = Head(self.body.feature_count, classes)
        self.turns = Head(self.body.feature_count, turns)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits `[B]`, positive for real."""
        return self.body.judge(self.body.features(x), y)

    def class_logits(self, x: Tensor) -> Tensor:
        """Images -> logits `[B, classes]`, float32."""
        logits: Tensor = self.classes(self.body.features(x))
        return logits

    def turn_logits(self, x: Tensor) -> Tensor:
        """Images -> logits `[B, turns]`, float32."""
        logits: Tensor = self.turns(self.body.features(x))
        return logits

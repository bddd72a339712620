"""A generator and a discriminator of pairs: networks of each half, joined by shared noise and by a joint head.

Each half is generated from its own noise and from noise that both share, after CoGAN (Liu and Tuzel 2016, section 3).
The discriminator also scores real halves that do not belong together (Reed et al. 2016, Algorithm 1, "GAN-CLS").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from sparring.engine.pair_spec import split_flat
from sparring.nets.layers import Head, conditional_logits

SLOPE = 0.2
"""Negative slope of the leaky rectifiers."""
JOINT_FEATURES = 128
"""Features of each half that the joint head sees."""


@runtime_checkable
class Tower(Protocol):
    """A discriminator of one half, in two steps."""

    feature_count: int

    def features(self, x: Tensor) -> Tensor:
        """Map examples to features `[B, feature_count]`."""
        ...

    def logits(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """Map features (and labels) to logits `[B]`."""
        ...


class PairGenerator(nn.Module):
    """Noise `[B, latent_dim]` (and labels `[B]`) -> flat pairs `[B, F]`, in training mode as the networks make them.

    The first `shared` numbers of the noise go to both halves, then each has `private` ones.
    """

    def __init__(self, halves: Sequence[nn.Module], shared: int, private: int) -> None:
        super().__init__()
        self.halves = nn.ModuleList(halves)
        self.shared, self.private = shared, private
        self.latent_dim = shared + len(halves) * private

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise (and labels) to pairs."""
        shared, *private = torch.split(z, [self.shared, *[self.private] * len(self.halves)], 1)
        parts = [half(torch.cat([shared, own], 1), y) for half, own in zip(self.halves, private, strict=True)]
        return torch.cat([part.flatten(1) for part in parts], 1)


class PairDiscriminator(nn.Module):
    """Flat pairs `[B, F]` (and labels `[B]`) -> logits `[B]`: the sum of those of each half and of a joint head.

    Pairs are network input of `shapes`, or what the generator makes in training mode, of `inner_shapes`. `gammas` are
    the weights of the squared gradients of the halves.
    """

    weights: Tensor

    def __init__(
        self,
        towers: Sequence[nn.Module],
        shapes: Sequence[tuple[int, ...]],
        inner_shapes: Sequence[tuple[int, ...]],
        gammas: Sequence[float],
        classes: int = 0,
    ) -> None:
        super().__init__()
        assert all(isinstance(tower, Tower) for tower in towers)
        self.towers, self.shapes, self.inner_shapes = nn.ModuleList(towers), shapes, inner_shapes
        sizes = [math.prod(shape) for shape in inner_shapes]
        weights = torch.cat([torch.full((size,), gamma) for size, gamma in zip(sizes, gammas, strict=True)])
        self.register_buffer("weights", weights, persistent=False)
        self.projections = nn.ModuleList(nn.Linear(tower.feature_count, JOINT_FEATURES) for tower in towers)  # type: ignore[arg-type]
        self.joint = nn.Linear(3 * JOINT_FEATURES, JOINT_FEATURES)
        self.head = Head(JOINT_FEATURES, classes + 1)

    def represent(self, x: Tensor) -> Tensor:
        """Return network input in the form that the generator makes in training mode."""
        parts = []
        for tower, part in zip(self.towers, split_flat(x, self.shapes), strict=True):
            convert = getattr(tower, "represent", None)
            parts.append((part if convert is None else convert(part)).flatten(1))
        return torch.cat(parts, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Map pairs to logits, positive for real."""
        if x.shape[1] != len(self.weights):
            x = self.represent(x)
        logits, joint = x.new_zeros(len(x), dtype=torch.float32), []
        for tower, projection, part in zip(self.towers, self.projections, self._parts(x), strict=True):
            h = tower.features(part)  # type: ignore[operator]
            logits = logits + tower.logits(h, y)  # type: ignore[operator]
            joint.append(leaky_relu(projection(h), SLOPE))
        first, second = joint
        h = leaky_relu(self.joint(torch.cat([first, second, first * second], 1)), SLOPE)
        return logits + conditional_logits(self.head(h), y, None)

    def _parts(self, x: Tensor) -> list[Tensor]:
        parts = split_flat(x, self.inner_shapes)
        return [part.contiguous(memory_format=torch.channels_last) if part.dim() == 4 else part for part in parts]

    def squared_gradient(self, gradient: Tensor) -> Tensor:
        """Return the weighted squared norm of each input gradient `[B, F]`, `[B]`."""
        return (gradient.square() * self.weights).sum(1)

    def mismatched(self, x: Tensor) -> Tensor:
        """Return pairs `[B, F]` of each first half with the second half of the pair before it in the batch."""
        first, second = split_flat(x, self.inner_shapes)
        return torch.cat([first.flatten(1), second.flatten(1).roll(1, 0)], 1)

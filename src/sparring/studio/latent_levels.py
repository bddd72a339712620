"""Levels of a generator: the coordinates of the noise that its coarse, middle and fine layers read."""

from __future__ import annotations

from torch import Tensor

from sparring.models.generator import GeneratorModel


def levels_of(model: GeneratorModel) -> dict[str, Tensor]:
    """Return coordinates of the noise by level; none yet: they need a trace of the layers."""
    return {}

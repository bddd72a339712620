"""Levels of a generator: the coordinates of the noise that its coarse, middle and fine layers read."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from sparring.measure.effects.latents import Latents, layers_of
from sparring.models.generator import GeneratorModel

NAMES = ("coarse", "middle", "fine")
PROBES = 2
"""Samples by which the layers are traced."""
_LEVELS: WeakKeyDictionary[nn.Module, dict[str, Tensor]] = WeakKeyDictionary()


def levels_of(model: GeneratorModel) -> dict[str, Tensor]:
    """Return coordinates of the noise by level, coarse ones first; empty where all layers read the same noise.

    Of two groups of layers the first is coarse and the second fine; more are divided into thirds.
    """
    if (levels := _LEVELS.get(model.generator)) is None:
        levels = _LEVELS[model.generator] = _traced(model)
    return levels


def _traced(model: GeneratorModel) -> dict[str, Tensor]:
    latents = Latents(*model.draw_inputs(range(PROBES), seed=0))
    layers = layers_of(model.generator, lambda each: model.generate(each.z, each.y), latents)
    return named([each.columns for each in layers])


def named(groups: list[Tensor]) -> dict[str, Tensor]:
    """Return groups of coordinates, in the order of the layers, as at most three levels."""
    if len(groups) < 2:
        return {}
    names = NAMES if len(groups) > 2 else (NAMES[0], NAMES[-1])
    ends = [round(k * len(groups) / len(names)) for k in range(len(names) + 1)]
    parts = zip(names, ends, ends[1:], strict=False)
    return {name: torch.cat(groups[start:end]) for name, start, end in parts}

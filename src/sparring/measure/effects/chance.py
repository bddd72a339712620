"""Random directions of equal change: how often their best sentences hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.measure.effects.directions import random_directions
from sparring.measure.effects.effects import OnProgress, effect_of
from sparring.measure.effects.latents import Latents, Render
from sparring.measure.effects.readings import Readings
from sparring.measure.effects.sentences import best_sentence

SCALING_LATENTS = 16
"""Latents by which a direction's step is scaled."""
SCALING_ROUNDS = 2
MAX_STEP = 8.0
"""Largest step, in standard deviations of the latents."""


@dataclass(frozen=True)
class RandomDirections:
    """The same procedure with random directions: a best sentence on `written` latents, hits on `fresh` ones."""

    render: Render
    readings: Readings
    written: Latents
    fresh: Latents
    count: int
    """Directions, at least; 200 give p-values down to 1 / 201."""
    seed: int = 0
    on_progress: OnProgress = lambda done, total: None

    def __call__(self, sizes: Sequence[float]) -> Tensor:
        """Return hit rates `[K, n]` of n directions whose mean change of the values is `sizes[k]`."""
        per_handle = -(-self.count // len(sizes))
        directions = random_directions(self.written.z.shape[1], per_handle * len(sizes), self.seed)
        rates = []
        for k, direction in enumerate(directions):
            step = self._scaled(direction.vector, sizes[k % len(sizes)])
            sentence = best_sentence(effect_of(self.render, self.readings, self.written, step).change)
            hits = sentence.hits(effect_of(self.render, self.readings, self.fresh, step).change)
            rates.append(float(hits.double().mean()))
            self.on_progress(k + 1, len(directions))
        return torch.tensor(rates, dtype=torch.float64).view(per_handle, len(sizes)).T

    def _scaled(self, direction: Tensor, size: float) -> Tensor:
        """Return the step along a direction that changes the values by `size` in the mean."""
        few, length = self.written[:SCALING_LATENTS], 1.0
        for _ in range(SCALING_ROUNDS):
            change = float(effect_of(self.render, self.readings, few, direction * length).size.mean())
            length = min(length * size / max(change, 1e-9), MAX_STEP)
        return direction * length

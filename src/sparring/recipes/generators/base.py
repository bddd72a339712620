"""What recipes of image generators share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.recipes.recipe import Unconditional, tunable


@dataclass(frozen=True, kw_only=True)
class ImageGenerator(Unconditional):
    """Common settings."""

    latent_dim: int = 100
    """Dimension of the generator's noise."""
    accumulation_steps: int = 1
    """Micro-batches per batch and process, to save memory."""
    ema_half_life: float = tunable(0.02, 0.002, 0.2, log=True)
    """Half-life of the generator's EMA, as a fraction of the run."""
    mirror: bool = False
    """Random horizontal flips, for images without a left-right orientation."""

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Return the recipe itself: it has no automatic settings."""
        return self

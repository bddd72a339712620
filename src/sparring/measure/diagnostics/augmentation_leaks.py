"""Detect augmentation leaks: samples rotated, flipped or inverted as real images are not (Karras et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

CLEAR_RATIO = 0.8
"""Largest ratio of the two distances at which an image counts as transformed, or as upright.

Of noisy and half-formed samples (digits) a third are slightly nearer to some transformed image, and a twentieth
clearly."""
DISTANCE_QUANTILE = 0.99
"""Quantile of the distances of held-out images to the training images up to which samples count."""
MIN_SAMPLES = 30
"""Smallest number of samples that must count."""
SIGMAS, MIN_DIFFERENCE = 4.0, 0.15
"""Smallest difference of the fractions: in standard deviations, with six transforms tested, and absolute."""

TRANSFORMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mirrored": lambda x: x.flip(3),
    "upside down": lambda x: x.flip(2),
    "rotated by 180 degrees": lambda x: x.flip(2, 3),
    "rotated by 90 degrees": lambda x: x.rot90(1, (2, 3)),
    "rotated by 270 degrees": lambda x: x.rot90(3, (2, 3)),
    "inverted": lambda x: -x,
}
"""Transforms of images `[B, C, H, W]` in [-1, 1]; those that swap the sides are for square images."""


@dataclass(frozen=True)
class Leak:
    """Fractions of samples and of held-out images that look transformed in one way."""

    transform: str
    fraction: float
    """Fraction of the clear samples that are nearer to a transformed training image than to any upright one."""
    real: float
    """Same fraction of held-out real images; symmetric ones look transformed at times."""
    samples: int
    """Number of clear samples."""
    reals: int
    """Number of clear held-out images."""

    @property
    def excess(self) -> float:
        """Number of samples that look transformed, beyond what held-out images do."""
        return (self.fraction - self.real) * self.samples

    @property
    def significant(self) -> bool:
        """True if the difference of the fractions is significant and not small."""
        if min(self.samples, self.reals) < MIN_SAMPLES:
            return False
        pooled = (self.fraction * self.samples + self.real * self.reals) / (self.samples + self.reals)
        deviation = math.sqrt(pooled * (1 - pooled) * (1 / self.samples + 1 / self.reals))
        return self.fraction - self.real > max(SIGMAS * deviation, MIN_DIFFERENCE)


def augmentation_leaks(samples: Tensor, held_out: Tensor, train: Tensor) -> list[Leak]:
    """Return a `Leak` for each transform of `train`; `held_out`: other real images; all `[N, C, H, W]` in [-1, 1].

    Data that are no images have no such transforms, and no leaks.
    """
    if train.dim() != 4:
        return []
    is_square = train.shape[2] == train.shape[3]
    result = []
    for name, transform in TRANSFORMS.items():
        if not is_square and name.endswith(("90 degrees", "270 degrees")):
            continue
        transformed, upright = (
            [_nearest_distance(x, y) for x in (samples, held_out)] for y in (transform(train), train)
        )
        nearest = [torch.minimum(t, u) for t, u in zip(transformed, upright, strict=True)]
        limit = torch.quantile(nearest[1], DISTANCE_QUANTILE)  # what resembles no training image is not transformed
        kept = [distance <= limit for distance in nearest]
        transformed, upright = (
            [x[mask] for x, mask in zip(distances, kept, strict=True)] for distances in (transformed, upright)
        )
        hits = [int((t < CLEAR_RATIO * u).sum()) for t, u in zip(transformed, upright, strict=True)]
        clear = [hit + int((u < CLEAR_RATIO * t).sum()) for hit, t, u in zip(hits, transformed, upright, strict=True)]
        if all(clear):
            result.append(Leak(name, hits[0] / clear[0], hits[1] / clear[1], *clear))
    return result


def _nearest_distance(x: Tensor, train: Tensor) -> Tensor:
    return torch.cdist(x.flatten(1), train.flatten(1)).amin(1)

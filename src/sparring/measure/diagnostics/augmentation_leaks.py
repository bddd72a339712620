"""Augmentation that leaks: samples that are turned, flipped or inverted as real images are not (Karras et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

CLEARLY = 0.8
"""Times the one distance that the other must be for an image to count as turned, or as upright: of noisy and half-formed
samples a third is nearer to some turned image by a little (on digits), and a twentieth clearly."""
NEAR = 0.99
"""Share of fresh real images that are near enough to the training images to count; so must samples be."""
FEWEST = 30
"""Samples that must count."""
SIGMAS, LEAST = 4.0, 0.15
"""How far the shares must be apart: beyond chance, with six shares looked at, and by enough to be seen."""

TURNS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mirrored": lambda x: x.flip(3),
    "upside down": lambda x: x.flip(2),
    "rotated by 180 degrees": lambda x: x.flip(2, 3),
    "rotated by 90 degrees": lambda x: x.rot90(1, (2, 3)),
    "rotated by 270 degrees": lambda x: x.rot90(3, (2, 3)),
    "inverted": lambda x: -x,
}
"""How images `[B, C, H, W]` in [-1, 1] may be changed; those that change the sides are for squares alone."""


@dataclass(frozen=True)
class Leak:
    """One way of turning images: how many samples look turned, and how many real images that were not."""

    how: str
    share: float
    """Of the samples that are clearly one or the other: nearer to a turned training image than to any upright one."""
    real: float
    """The same of fresh real images: what is symmetric looks turned at times."""
    samples: int
    """That were clearly one or the other."""
    reals: int

    @property
    def excess(self) -> float:
        """Samples that are turned beyond what real images would be."""
        return (self.share - self.real) * self.samples

    @property
    def certain(self) -> bool:
        """True where it is no chance, and no trifle."""
        if min(self.samples, self.reals) < FEWEST:
            return False
        both = (self.share * self.samples + self.real * self.reals) / (self.samples + self.reals)
        chance = math.sqrt(both * (1 - both) * (1 / self.samples + 1 / self.reals))
        return self.share - self.real > max(SIGMAS * chance, LEAST)


def leaks(samples: Tensor, fresh: Tensor, train: Tensor) -> list[Leak]:
    """Each way of turning `train`, for `samples` and for `fresh` real images that are not among it, all `[N, C, H, W]`."""
    square = train.shape[2] == train.shape[3]
    found = []
    for how, turn in TURNS.items():
        if not square and how.endswith(("90 degrees", "270 degrees")):
            continue
        turned, upright = ([_nearest(x, y) for x in (samples, fresh)] for y in (turn(train), train))
        near = [torch.minimum(t, u) for t, u in zip(turned, upright, strict=True)]
        like = torch.quantile(near[1], NEAR)  # what is like nothing in the data is not turned either
        kept = [distance <= like for distance in near]
        turned, upright = ([x[k] for x, k in zip(which, kept, strict=True)] for which in (turned, upright))
        hits = [int((t < CLEARLY * u).sum()) for t, u in zip(turned, upright, strict=True)]
        clear = [hit + int((u < CLEARLY * t).sum()) for hit, t, u in zip(hits, turned, upright, strict=True)]
        if all(clear):
            found.append(Leak(how, hits[0] / clear[0], hits[1] / clear[1], *clear))
    return found


def _nearest(x: Tensor, to: Tensor) -> Tensor:
    return torch.cdist(x.flatten(1), to.flatten(1)).amin(1)

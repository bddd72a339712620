"""Find copies of training images that were moved, mirrored, or changed in brightness and contrast.

Training itself changes images in these ways (`data/augment/gan.py`), so a generator may copy what it was shown. The
features of a network hardly keep such copies together; distances of aligned images do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from sparring.measure.features.train_small import Fetch
from sparring.measure.scores.knn import nearest_neighbours

MAX_SIDE = 32
"""Largest side of the images that are compared; larger ones are averaged down to it."""
FREQUENCIES = 8
"""Largest frequency of the descriptor, in periods over the image."""
CANDIDATES = 6
"""Training images that are aligned with each image; the copies of one image are far fewer."""
MAX_SHIFT = 1 / 8
"""Largest shift, as a fraction of each side: that of DiffAugment."""
MAX_HELD_OUT = 4_000
CHUNK_ROWS = 200


@dataclass(frozen=True)
class Index:
    """Training images with descriptors that do not change when an image is moved or mirrored."""

    fetch: Fetch
    descriptors: Tensor
    """`[T, d]`."""

    @classmethod
    def of(cls, fetch: Fetch, count: int) -> Index:
        """Describe the training images uint8 `[B, H, W, C]` with the indices 0 to `count`."""
        return cls(fetch, torch.cat([_descriptors(_grey(fetch(idx))) for idx in _chunks(np.arange(count))]))

    def relative_distances(self, fetch: Fetch, idx: NDArray[np.int64], *, exclude_self: bool = False) -> Tensor:
        """Return the distance of each image `idx` to the nearest training image, over the mean to the next, `[N]`.

        0 is a copy. Distances are 1 minus the largest correlation over shifts and mirroring. `exclude_self`: the images
        are training images, and are compared with the others.
        """
        return torch.cat([self._relative(_grey(fetch(part)), part if exclude_self else None) for part in _chunks(idx)])

    def _relative(self, images: Tensor, own: NDArray[np.int64] | None) -> Tensor:
        count = min(CANDIDATES + (own is not None), len(self.descriptors))
        _, candidates = nearest_neighbours(_descriptors(images), self.descriptors, count)
        rows = _grey(self.fetch(candidates.flatten().numpy()))
        rows = rows.view(*candidates.shape, *rows.shape[1:])
        distances = _aligned_distances(images, rows)
        if own is not None:
            distances[candidates == torch.from_numpy(own)[:, None]] = 4.0
        distances = distances.sort(1).values[:, :CANDIDATES]
        following = distances[:, 1:-1].mean(1) if distances.shape[1] > 2 else torch.ones(len(distances))
        return torch.where(following > 0, distances[:, 0] / following.clamp(min=1e-6), 0.0)


def _chunks(idx: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.array_split(idx, max(-(-len(idx) // CHUNK_ROWS), 1))


def _grey(rows: NDArray[Any]) -> Tensor:
    """Return images `[B, H, W, C]` as one channel of mean 0, at most MAX_SIDE wide, `[B, h, w]`."""
    x = torch.from_numpy(rows).float().mean(3)
    height, width = x.shape[1:]
    if (side := max(height, width)) > MAX_SIDE:
        x = adaptive_avg_pool2d(x, (max(round(height * MAX_SIDE / side), 1), max(round(width * MAX_SIDE / side), 1)))
    return x - x.mean((1, 2), keepdim=True)


def _descriptors(x: Tensor) -> Tensor:
    """Return the low frequencies of the amplitude spectrum, added to those of the mirror image, `[B, d]`."""
    norm = x.square().sum((1, 2), keepdim=True).sqrt()
    spectrum: Tensor = torch.fft.fft2(x / norm.clamp(min=1e-3)).abs()
    columns = torch.arange(min(FREQUENCIES + 1, x.shape[2]))
    low = spectrum[:, : FREQUENCIES + 1]
    return (low[:, :, columns] + low[:, :, -columns % x.shape[2]]).flatten(1)


def _aligned_distances(x: Tensor, rows: Tensor) -> Tensor:
    """Return 1 minus the largest correlation of the central part of x `[B, h, w]` in rows `[B, K, h, w]`, `[B, K]`."""
    height, width = x.shape[1:]
    margins = [round(side * MAX_SHIFT) if side > 2 else 0 for side in (height, width)]
    inner = x[:, margins[0] : height - margins[0], margins[1] : width - margins[1]]
    inner = inner - inner.mean((1, 2), keepdim=True)
    area, energy = inner[0].numel(), inner.square().sum((1, 2))[:, None, None, None]
    shape = (height, width)

    def slide(window: Tensor, over: Tensor) -> Tensor:  # the product at each shift of the window
        product = torch.fft.rfft2(over) * torch.fft.rfft2(window, shape).conj()
        every: Tensor = torch.fft.irfft2(product, shape)
        return every[..., : 2 * margins[0] + 1, : 2 * margins[1] + 1]

    ones = torch.ones_like(inner[0])
    variance = (slide(ones, rows.square()) - slide(ones, rows).square() / area).clamp(min=0)
    norm = (variance * energy).sqrt().clamp(min=1e-3 * area)
    best = torch.full(rows.shape[:2], -1.0)
    for window in (inner, inner.flip(2)):
        best = torch.maximum(best, (slide(window[:, None], rows) / norm).amax((2, 3)))
    return 1 - best.clamp(max=1)

"""Statistics of single rows, without training, in which faint artefacts show: values, residuals, spectra, borders.

Steganalysis separates changed from unchanged images by such residuals (Fridrich and Kodovsky 2012, section II); here a
few histograms of them are enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MAX_SIDE = 32
"""Largest side of images whose values are compared one by one; larger ones are averaged over blocks."""
CROP = 64
"""Largest side of the central part whose residuals are counted, at full resolution."""
BLOCK = 8
"""Side of the blocks of JPEG."""
VALUE_EDGES = (*range(1, 9), *range(16, 249, 16), 252, 255)
RESIDUAL_EDGES = (1, 2, 3, 5, 9, 17, 33, 65)
BANDS = 14


def flat_values(rows: Array) -> NDArray[np.float32]:
    """Return the values of each row, `[B, d]`; images uint8 `[B, H, W, C]` are averaged down to MAX_SIDE."""
    if rows.ndim != 4:
        return rows.reshape(len(rows), -1).astype(np.float32)
    height, width = rows.shape[1:3]
    step = -(-max(height, width) // MAX_SIDE)
    if step > 1:
        sums = np.add.reduceat(np.add.reduceat(rows.astype(np.float32), range(0, height, step), 1),
                               range(0, width, step), 2)  # fmt: skip
        rows = sums / (_sizes(height, step)[:, None, None] * _sizes(width, step)[:, None])
    return rows.reshape(len(rows), -1).astype(np.float32)


def row_statistics(rows: Array) -> NDArray[np.float32]:
    """Return statistics `[B, s]` of images uint8 `[B, H, W, C]` or of values `[B, F]`, each of one row alone."""
    parts = _image_statistics(rows) if rows.ndim == 4 else _value_statistics(rows.reshape(len(rows), -1))
    return np.asarray(np.nan_to_num(np.concatenate(parts, 1)), np.float32)


def _sizes(side: int, step: int) -> NDArray[np.float32]:
    return np.diff([*range(0, side, step), side]).astype(np.float32)


def _image_statistics(rows: Array) -> Sequence[Array]:
    corners = [rows[:, i, j] for i in (0, -1) for j in (0, -1)]
    borders = [rows[:, 0].mean(1), rows[:, -1].mean(1), rows[:, :, 0].mean(1), rows[:, :, -1].mean(1)]
    x = _central(rows).astype(np.int16)
    channels = x.reshape(len(x), -1, x.shape[3])
    parts = [*corners, *borders, _histogram(x, VALUE_EDGES), (x & 1).mean((1, 2))]
    parts += [channels.mean(1), channels.std(1), channels.min(1), channels.max(1)]
    for residual in _residuals(x):
        parts += [_histogram(np.abs(residual), RESIDUAL_EDGES), _moments(residual)]
    grey = x.mean(3)
    return [*parts, *_grid(grey), _spectrum(grey), _correlations(grey)]


def _central(rows: Array) -> Array:
    """Return the central part, whose edges lie on those of JPEG's blocks."""
    first = [max((side - CROP) // 2, 0) // BLOCK * BLOCK for side in rows.shape[1:3]]
    return rows[:, first[0] : first[0] + CROP, first[1] : first[1] + CROP]


def _residuals(x: Array) -> list[Array]:
    """Return first differences, along both axes and across, and those of second order; without empty ones."""
    across, down = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
    second = [across[:, :, 1:] - across[:, :, :-1], down[:, 1:] - down[:, :-1]]
    return [r for r in (across, down, across[:, 1:] - across[:, :-1], *second) if r[0].size]


def _histogram(x: Array, edges: Sequence[int]) -> Array:
    """Return how often the whole numbers of each row lie between the edges, as proportions."""
    flat, bins = x.reshape(len(x), -1), len(edges) + 1
    idx = np.searchsorted(np.array(edges), np.arange(flat.max(initial=0) + 1), side="right")[flat]
    idx = idx + np.arange(len(x))[:, None] * bins
    return np.bincount(idx.ravel(), minlength=bins * len(x)).reshape(len(x), bins) / flat.shape[1]


def _moments(residual: Array) -> Array:
    flat = residual.reshape(len(residual), -1).astype(np.float32)
    square = (flat**2).mean(1)
    return np.stack([np.abs(flat).mean(1), np.sqrt(square), (flat**4).mean(1) / (square**2 + 1e-3)], 1)


def _grid(grey: Array) -> list[Array]:
    """Return the mean step between neighbours by its place in a block, over the mean of all: JPEG's blocks show."""
    parts = []
    for axis in (1, 2):
        steps = np.abs(np.diff(grey, axis=axis)).mean(3 - axis)
        if steps.shape[1] >= BLOCK:
            phases = [steps[:, k::BLOCK].mean(1) for k in range(BLOCK)]
            parts.append(np.stack(phases, 1) / (steps.mean(1, keepdims=True) + 1e-3))
    return parts


def _spectrum(grey: Array) -> Array:
    """Return the logarithm of the power in rings of equal width around frequency 0."""
    power = np.abs(np.fft.rfft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    radius = np.hypot(np.fft.fftfreq(grey.shape[1])[:, None], np.fft.rfftfreq(grey.shape[2]))
    band = np.minimum((radius / 0.5 * (BANDS - 2)).astype(int), BANDS - 1)
    rings = [power[:, band == k].mean(1) for k in range(BANDS) if (band == k).any()]
    return np.asarray(np.log1p(np.stack(rings, 1)))


def _correlations(grey: Array) -> Array:
    """Return the correlation of neighbouring residuals of second order: noise and resampling change it."""
    r = grey[:, 1:-1, 1:-1] * 4 - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:]
    if min(r.shape[1:]) < 2:
        return np.zeros((len(grey), 0))
    pairs = ((r[:, 1:], r[:, :-1]), (r[:, :, 1:], r[:, :, :-1]), (r[:, 1:, 1:], r[:, :-1, :-1]))
    variance = (r**2).mean((1, 2)) + 1e-3
    return np.stack([(a * b).mean((1, 2)) / variance for a, b in pairs], 1)


def _value_statistics(rows: Array) -> Sequence[Array]:
    """Return mean, deviation, roughness and extremes of the values of a row: noise on all columns shows."""
    x = rows.astype(np.float64)
    steps = [np.abs(np.diff(x, k, 1)).mean(1) for k in range(1, 3) if x.shape[1] > k]
    return [np.stack([x.mean(1), x.std(1), x.min(1), x.max(1), *steps], 1)]

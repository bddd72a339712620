"""A two-sample test of series: boosted trees on values and statistics of a window (Lopez-Paz and Oquab 2017)."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from sparring.stats.auc import auc
from sparring.stats.intervals import Interval

Floats = NDArray[np.float64]
FOLDS = 5
MAX_VALUES = 64
"""Steps of each channel that trees see as they are: the first ones."""
LAGS = 5
MAX_ROWS = 2000
"""Largest number of windows of each side."""


def two_sample_auc(samples: Floats, real: Floats, seed: int = 0) -> Interval | None:
    """Return the cross-validated AUC of boosted trees that tell `samples` from `real`, both `[N, C, T]`.

    Both sides have as many windows. Folds are stretches of the rows in their order, so that real windows which follow
    each other in time are rarely on both sides of a split. None without scikit-learn.
    """
    if find_spec("sklearn") is None:
        return None
    from sklearn.ensemble import HistGradientBoostingClassifier

    count = min(len(samples), len(real), MAX_ROWS)
    rng = np.random.default_rng([seed, 32])
    selected = np.sort(rng.permutation(len(real))[:count])
    fake = rng.permutation(len(samples))[:count]
    x = np.concatenate([window_statistics(samples[fake]), window_statistics(real[selected])])
    y = np.repeat([0, 1], count)
    fold = np.tile(np.arange(count) * FOLDS // count, 2)
    scores = np.zeros(len(x))
    for k in range(FOLDS):
        judge = HistGradientBoostingClassifier(
            max_iter=100, max_leaf_nodes=8, min_samples_leaf=min(20, max(count // 10, 2)), learning_rate=0.1,
            early_stopping=False, random_state=0,
        )  # fmt: skip
        held_out = fold == k
        scores[held_out] = judge.fit(x[~held_out], y[~held_out]).predict_proba(x[held_out])[:, 1]
    return auc(scores[y == 0], scores[y == 1])


def window_statistics(x: Floats) -> Floats:
    """Return values and statistics of each window `[N, C, T]`: `[N, F]`."""
    n, _, steps = x.shape
    centred = x - x.mean(2, keepdims=True)
    std = centred.std(2) + 1e-12
    z = centred / std[..., None]
    size = np.abs(z)
    parts = [x.mean(2), np.log(std), x.min(2), x.max(2), (z**3).mean(2), (z**4).mean(2), np.median(size, 2)]
    parts += [np.quantile(size, q, axis=2) for q in (0.1, 0.25, 0.75, 0.9)]
    for k in range(1, min(LAGS, steps - 1) + 1):
        a = size - size.mean(2, keepdims=True)
        parts += [
            (z[..., k:] * z[..., :-k]).mean(2),
            (a[..., k:] * a[..., :-k]).mean(2),
            (z[..., :-k] * a[..., k:]).mean(2),
        ]
    half = steps // 2
    parts.append(np.log((centred[..., :half].std(2) + 1e-12) / (centred[..., half:].std(2) + 1e-12)))
    if x.shape[1] > 1:
        first, second = np.triu_indices(x.shape[1], 1)
        parts.append((z[:, first] * z[:, second]).mean(2))
    flat: Floats = np.concatenate([*parts, x[:, :, :MAX_VALUES].reshape(n, -1)], 1)
    return flat

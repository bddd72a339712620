"""Scores of generated recordings: accuracies of recognisers, and their length, pitch, loudness."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from sparring.engine.data_spec import AudioSpec
from sparring.measure.kinds.kind_measures import Comparison
from sparring.measure.kinds.sound_descriptors import loudness, pitch, seconds
from sparring.measure.rivals.rivals import LabelledRows
from sparring.nets.mel_codec import to_pictures
from sparring.stats.intervals import Interval
from sparring.stats.proportion import Proportion

Floats = NDArray[np.float64]
GRID = 16
"""Cells along time and frequency to which spectrograms are averaged for the recogniser."""
RIDGE = 1e-2
"""Weight of the recogniser's squared norm."""
MAX_EXAMPLES = 4000
"""Largest number of recordings that a recogniser learns from; they are drawn at random of more."""
RESAMPLES = 500
DESCRIPTORS: Mapping[str, Callable[[NDArray[np.int16], int], Floats]] = {
    "length": seconds, "pitch": pitch, "loudness": loudness,
}  # fmt: skip
"""Name -> function of recordings and their rate to a number of each, NaN where it has none."""


def recognised(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the accuracy on samples of a recogniser of the training recordings; none without two words."""
    return _accuracy("recognised", comparison, comparison.training, comparison.samples)


def tstr_accuracy(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the accuracy on real recordings of a recogniser of the samples (train on synthetic, test on real)."""
    return _accuracy("tstr_accuracy", comparison, comparison.samples, comparison.real)


def descriptors(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the Kolmogorov-Smirnov distance of each of `DESCRIPTORS`; intervals by a bootstrap of both sides."""
    rng = np.random.default_rng([comparison.seed, 41])
    rate, scores = comparison.spec.rate, dict[str, Interval]()
    for name, describe in DESCRIPTORS.items():
        numbers = (describe(rows.rows, rate) for rows in (comparison.samples, comparison.real))
        a, b = (np.where(np.isnan(x), -np.inf, x) for x in numbers)
        value = ks_distance(a, b)
        draws = [ks_distance(rng.choice(a, len(a)), rng.choice(b, len(b))) for _ in range(RESAMPLES)]
        low, high = np.quantile(draws, [0.025, 0.975])  # of the basic bootstrap: resampling adds noise to a distance
        scores[name] = Interval(value, max(2 * value - float(high), 0.0), min(max(2 * value - float(low), value), 1.0))
    return scores


def ks_distance(a: Floats, b: Floats) -> float:
    """Return the largest difference of the distribution functions of two sets of numbers."""
    points = np.concatenate([a, b])
    above = [np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (a, b)]
    return float(np.abs(above[0] - above[1]).max())


def _accuracy(name: str, comparison: Comparison, examples: LabelledRows, rows: LabelledRows) -> Mapping[str, Interval]:
    """Return the accuracy on `rows` of a recogniser trained on `examples`; rows without a label do not count."""
    examples, rows = (side.take(np.flatnonzero(side.labels >= 0)) for side in (examples, rows))
    if len(rows) == 0 or len(np.unique(examples.labels)) < 2:
        return {}
    order = np.random.default_rng([comparison.seed, 42]).permutation(len(examples))[:MAX_EXAMPLES]
    examples = examples.take(order)
    spec = comparison.spec
    recognise = recogniser(_values(spec, examples.rows), examples.labels, len(spec.classes))
    correct = Proportion.count(int((recognise(_values(spec, rows.rows)) == rows.labels).sum()), len(rows))
    return {name: Interval(correct.value, correct.low, correct.high)}


def recogniser(x: Floats, y: NDArray[np.int64], classes: int) -> Callable[[Floats], NDArray[np.int64]]:
    """Return the classifier of kernel ridge regression of one-hot labels, with a Gaussian kernel.

    Its squared width is the mean squared distance of two of `x` `[N, F]` (Saunders, Gammerman and Vovk 1998, Eq. 9). It
    has no random start and no training length, so that the score moves with the data alone.
    """
    width = max(float(2 * x.var(0).sum()), 1e-12)
    weights = np.linalg.solve(_kernel(x, x, width) + RIDGE * np.eye(len(x)), np.eye(classes)[y])
    return lambda new: (_kernel(new, x, width) @ weights).argmax(1)


def _kernel(a: Floats, b: Floats, width: float) -> Floats:
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    kernel: Floats = np.exp(-np.maximum(squares, 0) / width)
    return kernel


def _values(spec: AudioSpec, rows: NDArray[np.int16]) -> Floats:
    """Return spectrograms averaged to at most GRID x GRID cells, `[N, F]`."""
    pictures = to_pictures(spec, rows)[..., 0].astype(np.float64) / 127.5 - 1
    for axis in (1, 2):
        size = pictures.shape[axis]
        starts = np.arange(0, size, -(-size // GRID))
        sums = np.add.reduceat(pictures, starts, axis)
        counts = np.diff([*starts, size])
        pictures = sums / (counts[:, None] if axis == 1 else counts)
    return pictures.reshape(len(rows), -1)

"""Scores of generated recordings: accuracies of recognisers, and their length, pitch, loudness."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from sparring.measure.kinds.kind_measures import Comparison
from sparring.measure.kinds.recogniser import recognise
from sparring.measure.kinds.sound_descriptors import loudness, pitch, seconds
from sparring.measure.rivals.rivals import LabelledRows
from sparring.stats.intervals import Interval
from sparring.stats.proportion import Proportion

Floats = NDArray[np.float64]
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
    predicted = recognise(comparison.spec, examples, rows.rows, comparison.seed)
    correct = Proportion.count(int((predicted == rows.labels).sum()), len(rows))
    return {name: Interval(correct.value, correct.low, correct.high)}

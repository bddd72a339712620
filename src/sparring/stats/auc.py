"""Compute the area under the ROC curve (AUC) with its 95 % interval (DeLong, DeLong and Clarke-Pearson 1988)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sparring.stats.intervals import LEVEL, Interval, Z

Floats = NDArray[np.float64]


def auc(negatives: Floats, positives: Floats) -> Interval:
    """Return the probability that a positive has the higher score, ties counted half, with its interval."""
    scores = np.concatenate([negatives, positives])
    groups = np.repeat(np.array([0, 1]), [len(negatives), len(positives)])
    return macro_auc(np.stack([-scores, scores], 1), groups)


def macro_auc(scores: Floats, groups: NDArray[np.int64]) -> Interval:
    """Return the mean over groups of the AUC of one group against the rest, with its interval.

    `scores` `[N, K]` has a column for each group, `groups` `[N]` holds numbers from 0 to K - 1, each of them at least
    once. The interval is DeLong's, on the scale of the logit: with two groups it is that of the one AUC. Where no pair
    is ordered wrongly DeLong's variance is 0; the interval is then exact for independent pairs of rows.
    """
    count, total = scores.shape[1], len(groups)
    value, influence = 0.0, np.zeros(total)
    for k in range(count):
        is_k = groups == k
        area, positive, negative = _placements(scores[is_k, k], scores[~is_k, k])
        value += area / count
        influence[is_k] += (positive - area) / (len(positive) * count)
        influence[~is_k] += (negative - area) / (len(negative) * count)
    sizes = np.bincount(groups, minlength=count)
    error = math.sqrt(sum((influence[groups == k] ** 2).sum() * n / max(n - 1, 1) for k, n in enumerate(sizes)))
    return _logit_interval(value, error, int(min(sizes)))


def folded(area: Interval) -> Interval:
    """Return the interval of max(AUC, 1 - AUC): a score below 1/2 gives as much away as one above."""
    value, low, high = area.value, area.low, area.high
    if low <= 0.5 <= high:
        return Interval(max(value, 1 - value), 0.5, max(high, 1 - low))
    return area if value > 0.5 else Interval(1 - value, 1 - high, 1 - low)


def _placements(positive: Floats, negative: Floats) -> tuple[float, Floats, Floats]:
    """Return the AUC, and for each row the proportion of rows of the other side that it is ordered correctly with."""
    above, below = np.sort(positive), np.sort(negative)
    of_positive = (np.searchsorted(below, positive, "left") + np.searchsorted(below, positive, "right")) / 2
    of_negative = (np.searchsorted(above, negative, "left") + np.searchsorted(above, negative, "right")) / 2
    placed = of_positive / len(negative)
    return float(placed.mean()), placed, 1 - of_negative / len(positive)


def _logit_interval(value: float, error: float, pairs: int) -> Interval:
    """Return the interval of an AUC with a standard error; `pairs` is the number of disjoint pairs of rows."""
    least = ((1 - LEVEL) / 2) ** (1 / pairs)  # all of `pairs` independent pairs are ordered correctly
    if not 0 < value < 1 or error == 0:
        return Interval(value, min(least, value), max(1 - least, value))
    logit, half = math.log(value / (1 - value)), Z * error / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-np.clip(end, -500, 500))) for end in (logit - half, logit + half))
    return Interval(value, float(low), float(high))

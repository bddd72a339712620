"""Scores of generated pairs: whether their halves belong together, by recognisers of real rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.engine.data_spec import PairSpec
from sparring.measure.kinds.kind_measures import Comparison, KindMeasure, kind_measures
from sparring.measure.kinds.recogniser import Floats, coarse_values, recognise, regression
from sparring.measure.rivals.rivals import LabelledRows
from sparring.stats.intervals import Interval
from sparring.stats.proportion import Proportion

CANDIDATES, NEAREST = 100, (1, 10)
"""Second halves among which that of a pair is looked for, and how many of the nearest count as found."""
COMPONENTS = 32
"""Largest number of principal components by which second halves are compared."""
FIT_EXAMPLES, RESIDUAL_EXAMPLES = 3000, 1000
"""Pairs from which second halves are predicted, and further ones whose residuals are the unit of distances."""


def agreement(comparison: Comparison) -> Mapping[str, Interval]:
    """Return how often recognisers of either half, which learn from training rows, name the same class.

    Beside it how often each recognises the class of a sample. Nothing without two classes.
    """
    training = comparison.training.take(np.flatnonzero(comparison.training.labels >= 0))
    if len(np.unique(training.labels)) < 2:
        return {}
    samples, seed, names = comparison.samples, comparison.seed, comparison.spec.names
    learnt, judged = _halves(comparison, training), _halves(comparison, samples)
    predicted = [
        recognise(half, known, rows.rows, seed) for (half, known), (_, rows) in zip(learnt, judged, strict=True)
    ]
    scores = {"agreement": _proportion(predicted[0] == predicted[1])}
    known = samples.labels >= 0
    for name, of_half in zip(names, predicted, strict=True):
        if known.any():
            scores[f"{name} recognised"] = _proportion((of_half == samples.labels)[known])
    return scores


def retrieval(comparison: Comparison) -> Mapping[str, Interval]:
    """Return how often the second half of a pair is among the nearest of 100 to what the first half predicts.

    The prediction is a kernel ridge regression of principal components of the second half, fitted to training pairs.
    Distances are in units of its residuals on further training pairs. The other 99 are second halves of other samples.
    """
    rng = np.random.default_rng([comparison.seed, 44])
    training = comparison.training.take(rng.permutation(len(comparison.training))[: FIT_EXAMPLES + RESIDUAL_EXAMPLES])
    if min(len(training), len(comparison.samples)) < CANDIDATES:
        return {}
    first, second = (coarse_values(half, rows.rows) for half, rows in _halves(comparison, training))
    fitted = len(first) * FIT_EXAMPLES // (FIT_EXAMPLES + RESIDUAL_EXAMPLES)
    mean, directions = _components(second[:fitted])
    known = (second - mean) @ directions
    predict = regression(first[:fitted], known[:fitted])
    scale = (predict(first[fitted:]) - known[fitted:]).std(0)
    given, sought = (coarse_values(half, rows.rows) for half, rows in _halves(comparison, comparison.samples))
    expected, actual = predict(given) / scale, (sought - mean) @ directions / scale
    ranks = np.empty(len(actual), np.int64)
    for k, point in enumerate(expected):
        others = rng.choice(len(actual) - 1, CANDIDATES - 1, replace=False)
        others += others >= k
        distances = np.square(actual[others] - point).sum(1)
        ranks[k] = (distances < np.square(actual[k] - point).sum()).sum()
    return {f"retrieval_{most}": _proportion(ranks < most) for most in NEAREST}


def measures_of_halves(spec: PairSpec) -> list[KindMeasure]:
    """Return the measures of each half by itself."""
    return [
        KindMeasure(measure.summary, partial(_of_half, k, measure))
        for k, half in enumerate(spec.conditioned)
        for measure in kind_measures(half)
    ]


def _of_half(k: int, measure: KindMeasure, comparison: Comparison) -> Mapping[str, Interval]:
    """Compute a measure of one half; `recognised` is left out, which `agreement` has for every kind."""
    samples, real, training = (
        _halves(comparison, rows)[k] for rows in (comparison.samples, comparison.real, comparison.training)
    )
    results = measure.compute(Comparison(samples[0], samples[1], real[1], training[1], comparison.seed))
    name = comparison.spec.names[k]
    return {f"{name} {score}": value for score, value in results.items() if score != "recognised"}


def _halves(comparison: Comparison, rows: LabelledRows) -> list[tuple[Any, LabelledRows]]:
    """Return spec and rows of each half of pairs, with the labels of the pairs."""
    specs = comparison.spec.conditioned
    halves = comparison.spec.by_half(rows.rows)
    return [(spec, LabelledRows(part, rows.labels)) for spec, (_, part) in zip(specs, halves, strict=True)]


def _components(x: Floats) -> tuple[Floats, Floats]:
    """Return the mean of `x` `[N, F]` and its first principal directions `[F, K]`."""
    mean = x.mean(0)
    _, _, directions = np.linalg.svd(x - mean, full_matrices=False)
    return mean, directions[:COMPONENTS].T


def _proportion(right: NDArray[np.bool_]) -> Interval:
    counted = Proportion.count(int(right.sum()), len(right))
    return Interval(counted.value, counted.low, counted.high)

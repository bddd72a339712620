"""Scores of generated series: how far their stylised facts are from those of real windows, and a two-sample test."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sparring.measure.kinds.kind_measures import Comparison
from sparring.measure.kinds.series_facts import (
    Fact,
    autocorrelation,
    cross_correlation,
    kurtosis,
    leverage,
    spectrum,
    tail_index,
)
from sparring.measure.kinds.series_moves import returns_of, to_moves
from sparring.measure.kinds.series_two_sample import two_sample_auc
from sparring.stats.intervals import Interval

Floats = NDArray[np.float64]
RESAMPLES = 500


def facts_of(x: Floats) -> dict[str, Fact]:
    """Return the vectors of facts that are compared, for windows like `x` `[N, C, T]`."""
    channels, steps = x.shape[1:]
    facts = {
        "acf[x]": autocorrelation(lambda x: x, steps),
        "acf[x^2]": autocorrelation(np.square, steps),
        "acf[|x|]": autocorrelation(np.abs, steps),
        "leverage": leverage(steps),
        "spectrum": spectrum(channels),
    }
    return facts | ({"cross-correlation": cross_correlation(channels)} if channels > 1 else {})


def numbers_of(x: Floats) -> dict[str, Fact]:
    """Return the facts that are numbers, averaged over lags and channels, for windows like `x` `[N, C, T]`."""
    steps = x.shape[2]
    return {
        "mean acf[|x|]": averaged(autocorrelation(np.abs, steps)),
        "mean leverage": averaged(leverage(steps)),
        "kurtosis": averaged(kurtosis()),
        "tail index": averaged(tail_index(x)),
    }


def averaged(fact: Fact) -> Fact:
    """Return the mean of a fact's numbers."""
    return Fact(fact.sums, lambda means: fact.value(means).mean(-1, keepdims=True))


def distances(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the mean absolute difference of each fact; intervals by a bootstrap of the windows of both sides."""
    samples, real = both(comparison)
    facts = facts_of(real)
    return {name: _interval([samples, real], fact, _difference, comparison.seed) for name, fact in facts.items()}


def values(comparison: Comparison) -> Mapping[str, Interval]:
    """Return facts of the samples; intervals by a bootstrap of their windows."""
    samples, _ = both(comparison)
    return {name: _interval([samples], fact, np.mean, comparison.seed) for name, fact in numbers_of(samples).items()}


def boosted(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the AUC of boosted trees that tell samples from real windows, cross-validated."""
    samples, real = both(comparison)
    area = two_sample_auc(samples, real, comparison.seed)
    return {} if area is None else {"two-sample AUC": area}


def both(comparison: Comparison) -> tuple[Floats, Floats]:
    """Return the moves of samples and of real windows."""
    returns = returns_of(comparison.spec, comparison.training.rows)
    return to_moves(comparison.samples.rows, returns), to_moves(comparison.real.rows, returns)


def _difference(a: Floats, b: Floats) -> Floats:
    distance: Floats = np.abs(a - b).mean(-1)
    return distance


def _interval(sets: list[Floats], fact: Fact, statistic, seed: int) -> Interval:  # type: ignore[no-untyped-def]
    """Return a statistic of a fact of sets of windows, with its interval by a bootstrap of windows.

    A distance is never below 0, and resampling adds noise to it: its interval is that of the basic bootstrap, cut at 0.
    """
    rng = np.random.default_rng([seed, 31])
    sums = [fact.sums(x) for x in sets]
    value = float(statistic(*(fact.value(s.mean(0)) for s in sums)))
    draws = statistic(*(fact.value(_weights(len(s), rng) @ s) for s in sums)) if len(sets) > 1 else fact.value(
        _weights(len(sums[0]), rng) @ sums[0]
    ).mean(-1)  # fmt: skip
    low, high = np.quantile(draws, [0.025, 0.975])
    if len(sets) == 1:
        return Interval(value, float(low), float(high))
    return Interval(value, max(2 * value - float(high), 0.0), max(2 * value - float(low), value))


def _weights(count: int, rng: np.random.Generator) -> Floats:
    """Return how often each of `count` windows is drawn in each resampled set, over `count`, `[RESAMPLES, count]`."""
    weights: Floats = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
    return weights

"""Scores of generated rows of many more columns than rows, such as arrays of genes.

gamma is the correlation of the upper triangles of two matrices of correlations between columns (Viñas et al. 2022,
"Adversarial generation of gene expression data"). Real against real is its ceiling, which few rows keep far below 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sparring.measure.kinds.kind_measures import Comparison
from sparring.stats.auc import auc
from sparring.stats.intervals import Interval, wilson_interval

Floats = NDArray[np.float64]
MAX_COLUMNS = 1000
"""Columns that gamma and distances look at: those that vary most, relative to their mean size, in training rows."""
RESAMPLES = 60
RIDGE = 1.0
"""Ridge penalty over the mean squared length of a row."""


def structure(comparison: Comparison) -> Mapping[str, Interval]:
    """Return gamma, and the rank correlation of t-statistics between the first two classes; bootstrap intervals."""
    samples, real, _ = (_standardised(comparison, rows) for rows in _sides(comparison))
    columns = most_variable(comparison.training.rows)[:MAX_COLUMNS]
    rng = np.random.default_rng([comparison.seed, 51])
    scores = {"gamma": _resampled(samples[:, columns], real[:, columns], gamma, rng)}
    labels = comparison.samples.labels, comparison.real.labels
    if all(min((y == 0).sum(), (y == 1).sum()) >= 3 for y in labels):
        t = rank_correlation(t_statistics(samples, labels[0]), t_statistics(real, labels[1]))
        scores["t_ranks"] = Interval(t, float("nan"), float("nan"))
    return scores


def usefulness_of_genes(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the accuracy on real rows of a ridge classifier that learns from samples, and from training rows."""
    samples, real, training = (_standardised(comparison, rows) for rows in _sides(comparison))
    y, of_training, of_samples = comparison.real.labels, comparison.training.labels, comparison.samples.labels
    if len(set(of_samples.tolist())) < 2 or (y < 0).any() or (of_training < 0).any():
        return {}
    scores = {}
    for name, x, labels in (("tstr", samples, of_samples), ("trtr", training, of_training)):
        hits = int((ridge_classes(x, labels, real) == y).sum())
        scores[f"{name}_accuracy"] = Interval(hits / len(y), *wilson_interval(hits, len(y)))
    return scores


def membership(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the AUC of an attack that takes real rows near to samples for training rows."""
    columns = most_variable(comparison.training.rows)[:MAX_COLUMNS]
    samples, real, training = (_standardised(comparison, rows)[:, columns] for rows in _sides(comparison))
    return {"membership_auc": membership_auc(samples, training, real)}


def most_variable(rows: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the columns of `[N, F]`, those of the largest deviation over mean size first."""
    x = rows.astype(np.float64)
    variation = x.std(0) / (np.abs(x).mean(0) + 1e-12)
    order: NDArray[np.int64] = np.argsort(-variation, kind="stable")
    return order


def gamma(a: Floats, b: Floats) -> float:
    """Return how the correlations between the columns of `[N, F]` correlate with those of `[M, F]`."""
    upper = np.triu_indices(a.shape[1], 1)
    first, second = (np.nan_to_num(_correlations(x))[upper] for x in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def _correlations(x: Floats) -> Floats:
    z = x - x.mean(0)
    z = z / np.maximum(np.sqrt((z**2).sum(0)), 1e-12)
    product: Floats = z.T @ z
    return product


def t_statistics(x: Floats, y: NDArray[np.int64]) -> Floats:
    """Return Welch's t between classes 0 and 1 of each column, `[F]`."""
    a, b = x[y == 0], x[y == 1]
    error = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
    t: Floats = (a.mean(0) - b.mean(0)) / np.maximum(error, 1e-12)
    return t


def rank_correlation(a: Floats, b: Floats) -> float:
    """Return Spearman's correlation of two vectors without many ties."""
    first, second = (np.argsort(np.argsort(x)).astype(np.float64) for x in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def ridge_classes(x: Floats, y: NDArray[np.int64], new: Floats) -> NDArray[np.int64]:
    """Return the classes of `new` `[M, F]` by ridge regression on one-hot labels, solved in the space of rows."""
    classes = int(y.max()) + 1
    weights = np.bincount(y, minlength=classes)[y].astype(np.float64)
    target = np.eye(classes)[y] - 1 / classes
    mean = np.stack([x[y == k].mean(0) for k in np.unique(y)]).mean(0)
    centred = x - mean
    gram = centred @ centred.T
    penalty = RIDGE * np.trace(gram) / len(x) * np.diag(weights / weights.mean())
    scores = (new - mean) @ centred.T @ np.linalg.solve(gram + penalty, target)
    best: NDArray[np.int64] = scores.argmax(1)
    return best


def membership_auc(samples: Floats, members: Floats, others: Floats) -> Interval:
    """Return the AUC of the distance to the nearest sample: members against other real rows, all `[., F]`."""
    nearest = [-_distances(rows, samples).min(1) for rows in (others, members)]
    return auc(*nearest)


def _distances(a: Floats, b: Floats) -> Floats:
    square = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    distance: Floats = np.sqrt(np.maximum(square, 0))
    return distance


def _sides(comparison: Comparison) -> tuple[Floats, Floats, Floats]:
    samples, real, training = (
        side.rows.astype(np.float64) for side in (comparison.samples, comparison.real, comparison.training)
    )
    return samples, real, training


def _standardised(comparison: Comparison, rows: Floats) -> Floats:
    training = comparison.training.rows.astype(np.float64)
    std = training.std(0)
    result: Floats = (rows - training.mean(0)) / np.where(std > 0, std, 1.0)
    return result


def _resampled(a: Floats, b: Floats, score, rng: np.random.Generator) -> Interval:  # type: ignore[no-untyped-def]
    """Return a score of two sets of rows, with an interval by a bootstrap of their rows around its value."""
    value = score(a, b)
    count = [len(a), len(b)]
    draws = [score(a[rng.integers(count[0], size=count[0])], b[rng.integers(count[1], size=count[1])])
             for _ in range(RESAMPLES)]  # fmt: skip
    half = 1.96 * float(np.std(draws))
    return Interval(value, max(value - half, -1.0), min(value + half, 1.0))

"""Simple classifiers to compare a trained one with, from a constant to boosted trees."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from torch import from_numpy

from sparring.measure.leakage.adversaries import boosting, logistic, prepare
from sparring.measure.scores.knn import nearest_neighbours
from sparring.stats.proportion import Proportion

Array = NDArray[np.float32]
Labels = NDArray[np.int64]
MAX_TRAINING, MAX_TEST = 5_000, 2_000
"""Largest number of rows that the simple classifiers learn from, and are tested on."""
PENALTY = 1e-2
LEAVES = 16
CONSTANT, SHUFFLED = "the commonest class", "nearest neighbour, shuffled labels"
"""The simplest classifier, and the control."""


@dataclass(frozen=True)
class Baseline:
    """One simple classifier."""

    name: str
    errors: Proportion


def baselines(x: Array, y: Labels, test_x: Array, test_y: Labels, *, trees: bool, seed: int = 0) -> list[Baseline]:
    """Return the errors of simple classifiers on test rows `[M, d]`, with Wilson intervals.

    `trees` adds boosted trees, for which scikit-learn is needed. The last one has shuffled labels, and should err as
    `chance` does.
    """
    rng = np.random.default_rng(seed)
    kept = rng.permutation(len(x))[:MAX_TRAINING]
    tested = rng.permutation(len(test_x))[:MAX_TEST]
    x, y, test_x, test_y = x[kept], y[kept], test_x[tested], test_y[tested]
    classes, y = np.unique(y, return_inverse=True)
    test_y = np.where(np.isin(test_y, classes), np.searchsorted(classes, test_y), -1)  # other classes: never right
    scaled = prepare(x)
    rows, test = scaled(x), scaled(test_x)
    fits = {"logistic regression": logistic(PENALTY, weighted=False)}
    if trees and find_spec("sklearn"):
        fits["boosted trees"] = boosting(LEAVES, weighted=False)
    nearest = nearest_neighbours(from_numpy(test), from_numpy(rows), 1)[1][:, 0].numpy()
    answers = {
        CONSTANT: np.full(len(test_y), np.bincount(y).argmax()),
        "nearest neighbour": y[nearest],
        **{name: fit(rows, y, seed)(test).argmax(1) for name, fit in fits.items()},
        SHUFFLED: rng.permutation(y)[nearest],
    }
    return [Baseline(name, Proportion.count(int((y != test_y).sum()), len(test_y))) for name, y in answers.items()]


def chance(y: Labels, test_y: Labels) -> float:
    """Return the errors of labels that are drawn with the training frequencies: 1 - sum p q."""
    size = int(max(y.max(initial=0), test_y.max(initial=0))) + 1
    p, q = (np.bincount(labels, minlength=size) / len(labels) for labels in (y, test_y))
    return float(1 - p @ q)

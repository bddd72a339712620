"""Judges of the two-sample test: classifiers of real and generated rows, each with an eye for other differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.measure.scores.knn import nearest_neighbours
from sparring.stats.columns import most_different

Array = NDArray[Any]
Score = Callable[[Array], NDArray[np.float64]]
"""Rows `[B, d]` of a view -> scores `[B]`, higher for rows that look real."""
Fit = Callable[[Array, NDArray[np.int64]], Score]
"""Rows `[N, d]` of a view and whether each is real -> the score of new rows."""
MAX_COLUMNS = 256
"""Columns that a judge looks at: those that differ most between the two sets, one by one."""
RIDGE = 0.05
"""Penalty of the squared weights of the linear judge, for each row."""
NEWTON_STEPS = 12
TREES, LEAVES, BINS = 60, 8, 64


@dataclass(frozen=True)
class Judge:
    """One kind of classifier on one view of the rows."""

    view: str
    """Name of the view: "values", "statistics" or "network" features; the judge is left out where there is none."""
    fit: Fit


def linear(x: Array, y: NDArray[np.int64]) -> Score:
    """Fit a logistic regression with a ridge penalty by Newton's method. scikit-learn is optional."""
    columns = most_different(x, y, MAX_COLUMNS)
    mean, scale = x[:, columns].mean(0), x[:, columns].std(0) + 1e-6

    def standardised(rows: Array) -> Array:
        z = np.clip((rows[:, columns] - mean) / scale, -10, 10).astype(np.float64)
        return np.concatenate([z, np.ones((len(z), 1))], 1)

    z, weights = standardised(x), np.zeros(len(columns) + 1)
    penalty = np.full(len(weights), RIDGE * len(x))
    penalty[-1] = 1e-6
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(z @ weights, -30, 30)))
        curvature = (z * (p * (1 - p) + 1e-6)[:, None]).T @ z + np.diag(penalty)
        weights = weights + np.linalg.solve(curvature, z.T @ (y - p) - penalty * weights)
    return lambda rows: standardised(rows) @ weights


def trees(x: Array, y: NDArray[np.int64]) -> Score:
    """Fit gradient-boosted trees; needs scikit-learn."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    columns = most_different(x, y, MAX_COLUMNS)
    forest = HistGradientBoostingClassifier(
        max_iter=TREES, max_leaf_nodes=LEAVES, max_bins=BINS, min_samples_leaf=10, early_stopping=False, random_state=0
    ).fit(x[:, columns], y)
    return lambda rows: np.asarray(forest.decision_function(rows[:, columns]))


def nearest(x: Array, y: NDArray[np.int64]) -> Score:
    """Compare the distance to the nearest generated row with that to the nearest real one: repeated samples show."""
    mean, scale = x.mean(0), x.std(0) + 1e-6
    sides = [torch.from_numpy((x[y == k] - mean) / scale) for k in (0, 1)]

    def score(rows: Array) -> NDArray[np.float64]:
        queries = torch.from_numpy((rows - mean) / scale)
        fake, real = (nearest_neighbours(queries, side)[0][:, 0].numpy() for side in sides)
        return np.asarray(np.log((fake + 1e-6) / (real + 1e-6)))

    return score


def available() -> Mapping[str, Judge]:
    """Return the judges that can be used here: trees need scikit-learn."""
    return JUDGES if find_spec("sklearn") else {name: judge for name, judge in JUDGES.items() if judge.fit is not trees}


JUDGES: Mapping[str, Judge] = {
    "a linear model of values": Judge("values", linear),
    "trees of values": Judge("values", trees),
    "nearest rows by values": Judge("values", nearest),
    "a linear model of row statistics": Judge("statistics", linear),
    "trees of row statistics": Judge("statistics", trees),
    "a linear model of network features": Judge("network", linear),
    "trees of network features": Judge("network", trees),
    "nearest rows by network features": Judge("network", nearest),
}
"""What is said of a judge -> the judge."""

"""Gradient-boosted trees (Friedman 2001; histograms of Ke et al. 2017), grown by scikit-learn and kept as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.engine.data_spec import DataSpec, TableSpec
from sparring.nets.boosted_trees import BoostedTrees, Tree

MAX_ROUNDS, MAX_TREES, LEARNING_RATE = 500, 5000, 0.1
"""Rounds of boosting and trees at most, where each round grows a tree a class, and the factor of each tree."""
PATIENCE, VALIDATION_FRACTION = 20, 0.1
"""Rounds without a gain on rows that the trees do not learn from, after which they stop, and the part of these rows."""
EARLY_STOPPING_ROWS, FEW_ROWS_ROUNDS = 1000, 100
"""Rows from which they stop so; of fewer rows, or a class of one row, the number of rounds."""
MAX_ROWS = 200_000
"""Rows that trees are grown on at most, drawn at random: they are held in memory."""
MISSING = "boosted trees were not compared with the network: they need scikit-learn (pip install 'sparring[tables]')"
"""Note where they cannot be grown."""
ABSENT = -40.0
"""Score of a class of which there is no row."""


@singledispatch
def has_trees(spec: DataSpec) -> bool:
    """Return True of kinds of data that boosted trees are a usual method for: tables."""
    return False


@has_trees.register
def _(spec: TableSpec) -> bool:
    return True


def can_boost() -> bool:
    """Return True where scikit-learn is installed."""
    return find_spec("sklearn") is not None


def rows_to_boost(idx: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices, or MAX_ROWS of them, drawn by seed 0."""
    return idx if len(idx) <= MAX_ROWS else np.sort(np.random.default_rng(0).permutation(idx)[:MAX_ROWS])


def boosted_classifier(x: NDArray[Any], labels: NDArray[np.int64], classes: int, seed: int) -> BoostedTrees:
    """Return trees that map rows to logits `[B, classes]`, grown on `x` `[N, F]` with `labels` `[N]`, two or more.

    A class without a row has a logit of ABSENT.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    _, counts = np.unique(labels, return_counts=True)
    model = HistGradientBoostingClassifier(**_settings(len(x), seed, counts)).fit(x, labels)
    numbers = [int(k) for k in model.classes_]
    scores = numbers[1:] if len(numbers) == 2 else numbers
    baseline = np.full(classes, ABSENT)
    baseline[numbers] = 0.0
    baseline[scores] = np.ravel(model._baseline_prediction)
    return BoostedTrees.of(*_grown(model, scores), baseline.tolist())


def boosted_quantiles(x: NDArray[Any], y: NDArray[Any], levels: Sequence[float], seed: int) -> BoostedTrees:
    """Return trees that map rows to quantiles `[B, K Q]`, grown on `x` `[N, F]` with numbers `y` `[N, K]`.

    Score Q k + q is the quantile of level q of number k.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    trees, outputs, baseline = list[Tree](), list[int](), list[float]()
    for number in y.T.astype(np.float64):
        for level in levels:
            model = HistGradientBoostingRegressor(loss="quantile", quantile=level, **_settings(len(x), seed))
            grown, scores = _grown(model.fit(x, number), [len(baseline)])
            trees, outputs = [*trees, *grown], [*outputs, *scores]
            baseline.append(float(np.ravel(model._baseline_prediction)[0]))
    return BoostedTrees.of(trees, outputs, baseline)


def _settings(rows: int, seed: int, counts: NDArray[np.int64] | None = None) -> dict[str, Any]:
    """Return the settings for this many rows; `counts` are the rows of each class, needed in both parts."""
    stops, most = rows >= EARLY_STOPPING_ROWS, MAX_ROUNDS
    if counts is not None:
        stops = stops and counts.min() >= 2 and rows * VALIDATION_FRACTION >= len(counts)
        most = min(most, max(MAX_TREES // len(counts), 1))
    return {
        "max_iter": most if stops else min(most, FEW_ROWS_ROUNDS), "learning_rate": LEARNING_RATE,
        "early_stopping": stops,
        "n_iter_no_change": PATIENCE, "validation_fraction": VALIDATION_FRACTION, "random_state": seed % 2**32,
    }  # fmt: skip


def _grown(model: Any, scores: Sequence[int]) -> tuple[list[Tree], list[int]]:
    """Return the trees of a fitted model, and the scores that they add to; scikit-learn has no public way to them."""
    grown = [(tree, score) for of_round in model._predictors for tree, score in zip(of_round, scores, strict=True)]
    return [_tree(tree.nodes) for tree, _ in grown], [score for _, score in grown]


def _tree(nodes: NDArray[Any]) -> Tree:
    is_leaf, own = nodes["is_leaf"].astype(bool), np.arange(len(nodes))
    return Tree(
        feature=torch.from_numpy(nodes["feature_idx"].astype(np.int64)),
        threshold=torch.from_numpy(nodes["num_threshold"].astype(np.float64)),
        left=torch.from_numpy(np.where(is_leaf, own, nodes["left"]).astype(np.int64)),
        right=torch.from_numpy(np.where(is_leaf, own, nodes["right"]).astype(np.int64)),
        missing_left=torch.from_numpy(nodes["missing_go_to_left"].astype(bool)),
        value=torch.from_numpy(nodes["value"].astype(np.float64)),
    )

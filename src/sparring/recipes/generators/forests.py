"""Forests that tell real rows from made ones, and their leaves of real rows. Needs scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.engine.errors import SparringError
from sparring.nets.tree_odds import TreeOdds

JUDGE_TREES = 100
"""Largest number of trees of the last adversary."""
Array = NDArray[np.float32]
MAX_ORDER_ROWS, MAX_ORDER_COLUMNS = 20_000, 100
"""Rows, and other columns, by which words are ordered."""


@dataclass(frozen=True)
class Forest:
    """Numbers of the real rows in each leaf, tree by tree."""

    leaves: list[list[NDArray[np.int64]]]


def fit_forest(real: Array, fake: Array, trees: int, leaf_rows: int, seed: int) -> tuple[Forest, float]:
    """Fit a forest to real and made rows `[N, C]`; return its leaves of real rows, and its out-of-bag accuracy."""
    try:
        from sklearn.ensemble import RandomForestClassifier
    except ImportError as error:
        raise SparringError("arf needs scikit-learn: pip install 'sparring[tables]'") from error
    x = np.concatenate([real, fake])
    y = np.repeat([1, 0], [len(real), len(fake)])
    forest: Any = RandomForestClassifier(
        trees, min_samples_leaf=max(leaf_rows // 2, 1), max_features="sqrt", random_state=seed,
        n_jobs=torch.get_num_threads(),
    )  # fmt: skip
    forest.fit(x, y)
    return Forest([real_leaves(tree.tree_, real, leaf_rows) for tree in forest.estimators_]), _accuracy(forest, x, y)


def _accuracy(forest: Any, x: Array, y: NDArray[np.int64]) -> float:
    """Return the accuracy of the trees that did not see a row, over all rows."""
    votes = np.zeros((len(x), 2))
    for tree, idx in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        unseen = np.ones(len(x), bool)
        unseen[idx] = False
        votes[unseen] += tree.predict_proba(x[unseen])
    voted = votes.sum(1) > 0
    return float((votes[voted].argmax(1) == y[voted]).mean())


def real_leaves(tree: Any, real: Array, leaf_rows: int) -> list[NDArray[np.int64]]:
    """Return the real rows in each leaf of a scikit-learn tree, `leaf_rows` or more.

    Where a branch holds fewer, its rows go the other way; where both do, the node is a leaf.
    """
    left, right, feature, threshold = tree.children_left, tree.children_right, tree.feature, tree.threshold
    leaves, pending = list[NDArray[np.int64]](), [(0, np.arange(len(real)))]
    while pending:
        node, idx = pending.pop()
        if left[node] < 0:
            leaves.append(idx)
            continue
        goes_left = real[idx, feature[node]] <= threshold[node]
        first, second = idx[goes_left], idx[~goes_left]
        if len(first) < leaf_rows and len(second) < leaf_rows:
            leaves.append(idx)
        elif len(first) < leaf_rows:
            pending.append((right[node], idx))
        elif len(second) < leaf_rows:
            pending.append((left[node], idx))
        else:
            pending += [(left[node], first), (right[node], second)]
    return leaves


def resample(forest: Forest, real: Array, rng: np.random.Generator) -> Array:
    """Return as many made rows: each from a leaf of a random tree, by its rows, each column from a row of its own."""
    count, trees = len(real), len(forest.leaves)
    fake = np.empty_like(real)
    for part, leaves in zip(np.array_split(np.arange(count), trees), forest.leaves, strict=True):
        sizes = np.array([len(idx) for idx in leaves])
        order = np.concatenate(leaves)
        start = np.cumsum(sizes) - sizes
        leaf = np.searchsorted(np.cumsum(sizes), rng.integers(count, size=len(part)), side="right")
        for column in range(real.shape[1]):
            member = order[start[leaf] + (rng.random(len(part)) * sizes[leaf]).astype(np.int64)]
            fake[part, column] = real[member, column]
    return fake


def fit_judge(real: Array, fake: Array, seed: int, judge: TreeOdds) -> None:
    """Fit boosted trees to real and made rows `[N, C]`, and write them into `judge`.

    They stop where a tenth of the rows shows no gain, so that few rows are not learnt one by one.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    columns = real.shape[1]
    boosted: Any = GradientBoostingClassifier(
        n_estimators=JUDGE_TREES, max_depth=6, min_samples_leaf=20, subsample=0.3, n_iter_no_change=10,
        max_features=max(columns // 2 if columns <= 40 else int(columns**0.5), 1), random_state=seed,
    )  # fmt: skip
    boosted.fit(np.concatenate([real, fake]), np.repeat([1, 0], [len(real), len(fake)]))
    trees = [tree.tree_ for tree in boosted.estimators_[:, 0]]
    shape = len(trees), max(tree.node_count for tree in trees)
    own = np.broadcast_to(np.arange(shape[1]), shape)
    arrays = {
        "feature": np.zeros(shape, np.int64), "threshold": np.zeros(shape, np.float32), "left": own.copy(),
        "right": own.copy(), "value": np.zeros(shape, np.float32),
    }  # fmt: skip
    for t, tree in enumerate(trees):
        inner = np.flatnonzero(tree.children_left >= 0)
        arrays["feature"][t, inner], arrays["threshold"][t, inner] = tree.feature[inner], tree.threshold[inner]
        arrays["left"][t, inner], arrays["right"][t, inner] = tree.children_left[inner], tree.children_right[inner]
        arrays["value"][t, : tree.node_count] = boosted.learning_rate * tree.value[:, 0, 0]
    for name, array in arrays.items():
        setattr(judge, name, torch.from_numpy(array))
    judge.depth = torch.tensor(max(tree.max_depth for tree in trees))


def word_order(codes: NDArray[np.int64], column: int) -> Array:
    """Return a number for each code of a column of words: its score on what goes with it in the other columns.

    A forest cuts between neighbours, so words are neighbours that go with like values of the others (the first
    component of the centred means of the other columns, each word weighted by its rows).
    """
    subset = codes[:: max(len(codes) // MAX_ORDER_ROWS, 1)]
    words, size = subset[:, column], int(codes[:, column].max()) + 1
    beside = np.delete(np.arange(codes.shape[1]), column)
    if size <= 2 or not len(beside):
        return np.arange(size, dtype=np.float32)
    others = subset[:, beside[:: -(-len(beside) // MAX_ORDER_COLUMNS)]].astype(np.float64)
    others = (others - others.mean(0)) / np.maximum(others.std(0), 1e-9)
    counts = np.bincount(words, minlength=size)
    means = np.zeros((size, others.shape[1]))
    np.add.at(means, words, others)
    means *= np.sqrt(1 / np.maximum(counts, 1))[:, None]
    direction = np.linalg.svd(means, full_matrices=False)[2][0]
    scores: Array = (means @ direction / np.sqrt(np.maximum(counts, 1))).astype(np.float32)
    return scores

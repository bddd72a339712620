"""Release the marginals of a table along trees of its columns (McKenna, Miklau and Sheldon 2021, arXiv:2108.04978).

MST: one-way counts of all columns, a spanning tree of the most dependent pairs by the exponential mechanism, and the
counts of its pairs; a third of rho each. Where rows have classes, each class gets a tree: a row is in one class, so
that this costs no more than one tree. A tree needs no junction trees: reconciling is plain arithmetic. Rows are codes,
int `[N, d]`, code j below `sizes[j]`. Neighbours differ in one row added or removed: a table of counts has sensitivity
1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sparring.privacy.ledger import Release
from sparring.privacy.mechanisms import Exponential, Gaussian
from sparring.privacy.secret import SecretNoise

Counts = NDArray[np.float64]
Pair = tuple[int, int]
RARE = 3.0
"""Standard deviations of noise below which the counts of a category are merged with other rare ones in pairs."""
RAKING_ROUNDS = 50


@dataclass(frozen=True)
class MarginalTree:
    """A distribution of codes: each column's given its parent."""

    order: tuple[int, ...]
    """Columns, each after its parent."""
    parents: tuple[int, ...]
    """Parent of each column; -1 of one without."""
    tables: tuple[Counts, ...]
    """Probabilities of each column's codes given its parent's, `[K_parent, K]`; `[1, K]` without a parent."""


def release_classes(labels: NDArray[np.int64], classes: int, rho: float, secret: SecretNoise) -> tuple[Counts, Release]:
    """Return noisy counts `[classes]` of labels, int `[N]`, at a cost of `rho`, all 1 or more; and the release."""
    mechanism = Gaussian(1 / math.sqrt(2 * rho))
    counts = np.bincount(labels, minlength=classes) + mechanism.noise_multiplier * secret.normal((classes,), "classes")
    return np.maximum(counts, 1.0), Release("number of rows of each class", mechanism, 1.0)


def release_tree(
    codes: NDArray[np.int64], sizes: tuple[int, ...], total: float, rho: float, secret: SecretNoise, purpose: int,
    *, pairs: bool,
) -> tuple[MarginalTree, list[Release]]:  # fmt: skip
    """Return a noisy tree at a cost of `rho` zCDP, and its releases.

    `total` is the number of rows, public or noisy; `purpose` makes the noise that of one tree. Without `pairs` the
    columns are independent, and need no selection.
    """
    count, parts = len(sizes), 3 if pairs and len(sizes) > 1 else 1
    noise = math.sqrt(parts * count / (2 * rho))
    ones = [
        np.bincount(codes[:, j], minlength=size) + noise * secret.normal((size,), purpose, "one", j)
        for j, size in enumerate(sizes)
    ]
    releases = [Release("number of rows with each value of each column", Gaussian(noise, count), 1.0)]
    merged = [merge_rare(counts, RARE * noise) for counts in ones]
    small = np.stack([merge[codes[:, j]] for j, merge in enumerate(merged)], 1)
    margins: list[Counts] = [
        np.bincount(merge, weights=counts).astype(np.float64) for merge, counts in zip(merged, ones, strict=True)
    ]
    measured: dict[Pair, Counts] = {}
    pair_noise = math.sqrt(parts * max(count - 1, 1) / (2 * rho))
    if parts > 1:
        epsilon = math.sqrt(8 * rho / parts / (count - 1))
        edges = _spanning_tree(small, margins, total, epsilon, secret, purpose)
        measured = {
            (i, j): _pair_counts(small, margins, i, j)
            + pair_noise * secret.normal((len(margins[i]), len(margins[j])), purpose, "pair", i, j)
            for i, j in edges
        }
        releases += [
            Release("selection of the pairs of columns in the tree", Exponential(epsilon, count - 1), 1.0),
            Release("number of rows with each pair of values", Gaussian(pair_noise, count - 1), 1.0),
        ]
    variances: list[Counts] = [np.bincount(merge).astype(np.float64) * noise**2 for merge in merged]
    margins = reconcile(margins, variances, measured, pair_noise, total)
    return _conditionals(ones, merged, margins, measured, total), releases


def merge_rare(counts: Counts, threshold: float) -> NDArray[np.int64]:
    """Return a new code for each code: those with counts below `threshold` share the last one."""
    common = counts >= threshold
    codes = np.where(common, np.cumsum(common) - 1, int(common.sum()))
    return codes.astype(np.int64)


def _pair_counts(codes: NDArray[np.int64], margins: list[Counts], i: int, j: int) -> Counts:
    """Return how often each pair of codes of two columns occurs, `[K_i, K_j]`."""
    rows, columns = len(margins[i]), len(margins[j])
    counts = np.bincount(codes[:, i] * columns + codes[:, j], minlength=rows * columns)
    return counts.reshape(rows, columns).astype(np.float64)


def _spanning_tree(
    codes: NDArray[np.int64], margins: list[Counts], total: float, epsilon: float, secret: SecretNoise, purpose: int
) -> list[Pair]:
    """Select pairs that join all columns, each by the exponential mechanism, as the argmax with Gumbel noise.

    The score of a pair is the L1 distance of its counts to those of independent columns, of sensitivity 1.
    """
    expected = [project_to_simplex(margin, total) for margin in margins]
    scores = dict[Pair, float]()
    for i, j in combinations(range(len(margins)), 2):
        independent = np.outer(expected[i], expected[j]) / total
        scores[i, j] = float(np.abs(_pair_counts(codes, margins, i, j) - independent).sum())
    group, edges = list(range(len(margins))), list[Pair]()
    while len(edges) < len(margins) - 1:
        joining = [pair for pair in scores if group[pair[0]] != group[pair[1]]]
        gumbel = -np.log(-np.log(secret.uniform((len(joining),), purpose, "tree", len(edges))))
        best = int(np.argmax([epsilon / 2 * scores[pair] for pair in joining] + gumbel))
        i, j = joining[best]
        edges.append((i, j))
        group = [group[i] if each == group[j] else each for each in group]
    return edges


def project_to_simplex(counts: Counts, total: float) -> Counts:
    """Return the nearest non-negative counts of this sum (Held, Wolfe and Crowder 1974): max(counts - c, 0)."""
    flat = np.sort(counts, axis=None)[::-1]
    excess = (np.cumsum(flat) - total) / np.arange(1, flat.size + 1)
    active = np.flatnonzero(flat - excess > 0)
    shift = excess[active[-1]] if active.size else excess[0]
    projected: Counts = np.maximum(counts - shift, 0.0)
    return projected


def reconcile(
    margins: list[Counts], variances: list[Counts], pairs: dict[Pair, Counts], pair_noise: float, total: float
) -> list[Counts]:
    """Return one-way counts that average, by inverse variance, a column's own with the sums of its pairs."""
    sums = [margin / variance for margin, variance in zip(margins, variances, strict=True)]
    weights = [1 / variance for variance in variances]
    for (i, j), counts in pairs.items():
        for column, axis in ((i, 1), (j, 0)):
            variance = pair_noise**2 * counts.shape[axis]
            sums[column] = sums[column] + counts.sum(axis) / variance
            weights[column] = weights[column] + 1 / variance
    return [project_to_simplex(s / w, total) for s, w in zip(sums, weights, strict=True)]


def _conditionals(
    ones: list[Counts], merged: list[NDArray[np.int64]], margins: list[Counts], pairs: dict[Pair, Counts], total: float
) -> MarginalTree:
    """Return the tree of conditional probabilities, in the original codes."""
    order, parents, tables = [0], [-1] * len(ones), [np.zeros((1, 1))] * len(ones)
    within = [_within(counts, merge) for counts, merge in zip(ones, merged, strict=True)]
    tables[0] = _rows_to_one(margins[0][None, merged[0]] * within[0])
    for parent in order:
        for (i, j), counts in pairs.items():  # `order` grows by the children
            child = j if i == parent else i
            if parent not in (i, j) or child in order:
                continue
            joint = counts if i == parent else counts.T
            joint = rake(project_to_simplex(joint, total), margins[parent], margins[child])
            given = _rows_to_one(joint, margins[child])
            tables[child] = _rows_to_one(given[merged[parent]][:, merged[child]] * within[child])
            parents[child] = parent
            order.append(child)
    for child in set(range(len(ones))) - set(order):  # independent of all
        tables[child] = _rows_to_one(margins[child][None, merged[child]] * within[child])
        order.append(child)
    return MarginalTree(tuple(order), tuple(parents), tuple(tables))


def rake(joint: Counts, rows: Counts, columns: Counts) -> Counts:
    """Scale rows and columns of `joint` in turn until their sums are these (Deming and Stephan 1940)."""
    joint = joint + 1e-9 * np.outer(rows, columns) / max(rows.sum(), 1e-12)
    for _ in range(RAKING_ROUNDS):
        joint = joint * (rows / np.maximum(joint.sum(1), 1e-12))[:, None]
        joint = joint * (columns / np.maximum(joint.sum(0), 1e-12))
    return joint


def _within(counts: Counts, merge: NDArray[np.int64]) -> Counts:
    """Return the share of each code in those that were merged with it, by their noisy counts."""
    positive = np.maximum(counts, 1.0)
    return positive / np.bincount(merge, weights=positive)[merge]


def _rows_to_one(table: Counts, default: Counts | None = None) -> Counts:
    """Return `table` with rows of sum 1; rows of zeros become `default`, or even."""
    sums = table.sum(1, keepdims=True)
    fallback = np.ones(table.shape[1]) if default is None or default.sum() <= 0 else default
    normalised: Counts = np.where(sums > 1e-9, table / np.maximum(sums, 1e-9), fallback / fallback.sum())
    return normalised

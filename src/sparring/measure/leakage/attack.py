"""Attack features by fresh adversaries: choose one on half of the rows, score it once on the other half.

The adversary of an encoder's training underestimates the leak: one that is trained anew predicts more. The choice among
families and settings is made by cross-validation in half A, so that the interval on half B needs no correction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparring.measure.leakage.adversaries import Adversary, Array, Fit, Groups, available, logistic, prepare
from sparring.measure.leakage.result import Leak
from sparring.stats.auc import folded, macro_auc
from sparring.stats.intervals import Interval, Z, mean_of_intervals
from sparring.stats.proportion import Proportion

FOLDS = 3
MAX_TRAIN_ROWS = 20_000
"""Largest number of rows that adversaries learn from; all others are for the test, up to MAX_TEST_ROWS."""
MAX_TEST_ROWS = 50_000
MIN_GROUP_ROWS = 20
"""Smallest number of rows of a group: half of them is for the test."""
CALIBRATION_PENALTY = 1e-3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Choice:
    name: str
    family: Adversary
    fit: Fit
    auc: float
    scores: Floats
    """Scores of the rows of half A by adversaries that did not learn from them, `[N, K]`."""


def attack(
    x: Array,
    groups: Groups,
    names: Sequence[str],
    *,
    attacked: str,
    label: str | None = None,
    seed: int = 0,
    families: Mapping[str, Adversary] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Leak:
    """Return how well the best adversary predicts `groups` `[N]`, from 0 to K - 1, from features `x` `[N, d]`.

    Raises ValueError where a group has fewer than MIN_GROUP_ROWS rows.
    """
    sizes = np.bincount(groups, minlength=len(names))
    if sizes.min() < MIN_GROUP_ROWS or len(sizes) < 2:
        raise ValueError(f"two groups or more, of {MIN_GROUP_ROWS} rows or more, are needed")
    train, test = halves(groups, np.random.default_rng([seed, 1]))
    folds = _folds(groups[train], np.random.default_rng([seed, 2]))
    families = available() if families is None else families
    total = sum(len(family.settings) for family in families.values()) + 1
    best: dict[str, _Choice] = {}
    done = 0
    for name, family in families.items():
        for setting, fit in family.settings.items():
            full_name = f"{name}, {setting}" if setting else name
            choice = _cross_validated(full_name, family, fit, x[train], groups[train], folds)
            best[name] = max(best.get(name, choice), choice, key=lambda each: each.auc)
            on_progress(done := done + 1, total)
    selected = max(best.values(), key=lambda each: each.auc)
    scale = selected.family.scaling(x[train])
    scores = selected.fit(scale(x[train]), groups[train], seed)(scale(x[test]))
    on_progress(total, total)
    return Leak(
        attacked, label, selected.name, folded(macro_auc(scores, groups[test])),
        *_accuracy(scores.argmax(1), groups[test], names), _bits(selected.scores, groups[train], scores, groups[test]),
        {name: choice.auc for name, choice in best.items()}, len(train), len(test),
    )  # fmt: skip


def halves(groups: Groups, rng: np.random.Generator) -> tuple[Groups, Groups]:
    """Return the rows to learn from and those to test on, half of each group; large sets are cut at random."""
    sides: tuple[list[Groups], list[Groups]] = ([], [])
    for k in range(int(groups.max()) + 1):
        idx = rng.permutation(np.flatnonzero(groups == k))
        cut = min(len(idx) // 2, max(MAX_TRAIN_ROWS * len(idx) // len(groups), MIN_GROUP_ROWS // 2))
        sides[0].append(idx[:cut])
        sides[1].append(idx[cut:])
    train, test = (rng.permutation(np.concatenate(side)) for side in sides)
    return train, test[:MAX_TEST_ROWS]


def _folds(groups: Groups, rng: np.random.Generator) -> Groups:
    """Return the fold of each row; each has rows of all groups."""
    folds = np.empty(len(groups), np.int64)
    for k in np.unique(groups):
        idx = rng.permutation(np.flatnonzero(groups == k))
        folds[idx] = np.arange(len(idx)) % FOLDS
    return folds


def _cross_validated(name: str, family: Adversary, fit: Fit, x: Array, groups: Groups, folds: Groups) -> _Choice:
    scores = np.empty((len(x), int(groups.max()) + 1))
    for fold in range(FOLDS):
        inside = folds == fold
        scale = family.scaling(x[~inside])
        scores[inside] = fit(scale(x[~inside]), groups[~inside], fold)(scale(x[inside]))
    return _Choice(name, family, fit, macro_auc(scores, groups).value, scores)


def _accuracy(answers: Groups, groups: Groups, names: Sequence[str]) -> tuple[Interval, dict[str, Proportion]]:
    """Return the balanced accuracy, and the recall of each group with its exact interval."""
    recalls = {
        name: Proportion.count(int((answers[groups == k] == k).sum()), int((groups == k).sum()), "clopper-pearson")
        for k, name in enumerate(names)
    }
    return mean_of_intervals([Interval(part.value, part.low, part.high) for part in recalls.values()]), recalls


def _bits(validated: Floats, train_groups: Groups, scores: Floats, groups: Groups) -> Interval:
    """Return mean log2 q(a | z) / p(a) on the test rows: a lower bound of the mutual information for any q.

    q is a logistic regression on the scores, fitted on the scores of the cross-validation.
    """
    scale = prepare(validated.astype(np.float32))
    q = logistic(CALIBRATION_PENALTY, weighted=False)(scale(validated.astype(np.float32)), train_groups, 0)
    log_q = q(scale(scores.astype(np.float32)))[np.arange(len(groups)), groups]
    proportions = np.bincount(groups) / len(groups)
    values = (log_q - np.log(proportions[groups])) / math.log(2)
    half = Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    mean = float(values.mean())
    return Interval(max(mean, 0.0), max(mean - half, 0.0), max(mean + half, 0.0))

"""Find columns of a table that tell the class by themselves: the label in another form, an id, or the future."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparring.stats.proportion import Proportion

MIN_ROWS = 40
LEAK = 0.98
"""Proportion of the errors of the commonest class that a column avoids by itself, from which it is a leak."""
MIN_VALUE_ROWS = 5
"""Smallest mean number of rows of a value, where values are taken one by one; else the nearest ones count."""
NEIGHBOURS = 3


@dataclass(frozen=True)
class SingleColumn:
    """How well one column predicts the class."""

    name: str
    errors: Proportion
    """Wrong answers on the half of the rows that nothing was learnt from."""
    avoided: float
    """Proportion of the errors of the commonest class that it avoids."""

    @property
    def is_leak(self) -> bool:
        """Return True where hardly an error is left."""
        return self.avoided >= LEAK


def single_columns(
    columns: Mapping[str, NDArray[np.float64]], labels: NDArray[np.int64], rng: np.random.Generator
) -> list[SingleColumn]:
    """Return each column's errors as the only predictor, the best first; none of too few rows.

    `columns` hold numbers or codes `[N]`, NaN for a gap. One half of the rows answers with the commonest class of each
    value, or of its nearest neighbours. Errors are those of the other half.
    """
    order = rng.permutation(len(labels))
    half = len(order) // 2
    if half < MIN_ROWS // 2 or len(np.unique(labels)) < 2:
        return []
    learnt, tested = order[:half], order[half:]
    common = np.bincount(labels[learnt]).argmax()
    baseline = int((labels[tested] != common).sum())
    results = []
    for name, values in columns.items():
        wrong = int((_answers(values, labels, learnt, tested, int(common)) != labels[tested]).sum())
        avoided = 1 - wrong / baseline if baseline else 0.0
        results.append(SingleColumn(name, Proportion.count(wrong, len(tested)), avoided))
    return sorted(results, key=lambda column: column.errors.hits)


def _answers(
    values: NDArray[np.float64], labels: NDArray[np.int64], learnt: NDArray[np.int64], tested: NDArray[np.int64],
    common: int,
) -> NDArray[np.int64]:  # fmt: skip
    """Return the commonest class of the learnt rows with the same value, or with the nearest ones; gaps are a value."""
    known = np.isfinite(values)
    answers = np.full(len(values), common)
    if (gaps := learnt[~known[learnt]]).size:
        answers[~known] = np.bincount(labels[gaps]).argmax()
    learnt, present = learnt[known[learnt]], tested[known[tested]]
    distinct, codes = np.unique(values[learnt], return_inverse=True)
    if not len(distinct):
        return answers[tested]
    if len(distinct) > len(learnt) // MIN_VALUE_ROWS:
        answers[present] = _nearest(values[learnt], labels[learnt], values[present])
        return answers[tested]
    commonest = np.array([np.bincount(labels[learnt][codes == code]).argmax() for code in range(len(distinct))])
    place = np.searchsorted(distinct, values[present]).clip(0, len(distinct) - 1)
    answers[present] = np.where(distinct[place] == values[present], commonest[place], common)
    return answers[tested]


def _nearest(values: NDArray[np.float64], labels: NDArray[np.int64], new: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the commonest class of the NEIGHBOURS nearest values of each new one."""
    order = np.argsort(values, kind="stable")
    values, labels = values[order], labels[order]
    window = np.searchsorted(values, new)[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS)
    idx = window.clip(0, len(values) - 1)
    distance = np.where(idx == window, np.abs(values[idx] - new[:, None]), np.inf)
    near = np.take_along_axis(labels[idx], np.argsort(distance, 1)[:, :NEIGHBOURS], 1)
    return np.array([np.bincount(row).argmax() for row in near], np.int64)

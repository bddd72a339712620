"""Class shares of an unlabelled target, from a classifier's errors on a labelled source (BBSE, Lipton et al. 2018).

Let C[i, j] = P(answer i, class j) be the joint table on the source, and q the shares of answers on the target. The
weights of the classes are w = C^-1 q. The target's shares are w times the source's. This holds where the classes look
alike in both domains; where they do not, the interval is too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 400
RIDGE = 1e-3
"""Weight, relative to the mean squared entry, that pulls the weights of classes to 1 where C is singular."""
TRUSTED_FROM = 0.8
"""Estimated target accuracy of a classifier up to which its estimate of shares is not used in training."""
LEAST_SHARE = 0.1
"""Fraction of the source's share that a class keeps in training, whatever is estimated."""


@dataclass(frozen=True)
class LabelShift:
    """Class shares of source and target, with 95 % bootstrap intervals of the latter."""

    classes: tuple[str, ...]
    source: tuple[float, ...]
    """Class shares of the source."""
    target: tuple[float, ...]
    """Estimated class shares of the target."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    trust: float = 1.0
    """Weight of the estimate in `training_shares`, in [0, 1] (`trust_of`)."""

    @property
    def distance(self) -> float:
        """Total variation distance of the shares, in [0, 1]."""
        return sum(abs(a - b) for a, b in zip(self.source, self.target, strict=True)) / 2

    @property
    def errors(self) -> float:
        """Estimated proportion of wrong answers on the target, at most 0.2, of the classifier the shares are from."""
        return (1 - self.trust) * (1 - TRUSTED_FROM)

    @property
    def shifted(self) -> tuple[str, ...]:
        """Classes whose own 95 % interval does not hold the source's share."""
        ends = zip(self.classes, self.source, self.low, self.high, strict=True)
        return tuple(name for name, share, low, high in ends if not low <= share <= high)

    @property
    def training_shares(self) -> tuple[float, ...]:
        """Shares for training: the estimate, mixed with the source's shares by trust; none below a tenth of these."""
        mixed = [(s, self.trust * t + (1 - self.trust) * s) for s, t in zip(self.source, self.target, strict=True)]
        kept = [max(share, LEAST_SHARE * s) for s, share in mixed]
        return tuple(share / sum(kept) for share in kept)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LabelShift:
        """Return what `dataclasses.asdict` and JSON made of one."""
        columns: dict[str, Any] = {field.name: tuple(values[field.name]) for field in fields(cls)[:-1]}
        return cls(**columns, trust=values["trust"])


def trust_of(accuracy: float) -> float:
    """Return the weight in [0, 1] of shares that a classifier of this estimated target accuracy gives.

    Many errors there show that the classes look otherwise than in the source, and then the estimate is wrong.
    """
    return min(max((accuracy - TRUSTED_FROM) / (1 - TRUSTED_FROM), 0.0), 1.0)


def joint_table(answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return C[i, j] = P(answer i, class j), `[K, K]`, of answers and labels `[N]`."""
    table = np.bincount(answers * classes + labels, minlength=classes * classes).reshape(classes, classes)
    shares: NDArray[np.float64] = table / max(len(labels), 1)
    return shares


def class_weights(table: NDArray[np.float64], answered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return w >= 0 that solves C w = q, for a joint table `[K, K]` and shares of answers `[K]`, both of sum 1.

    A small ridge keeps the weights near 1 where C is singular.
    """
    ridge = RIDGE * float(np.square(table).mean())
    left = table.T @ table + ridge * np.eye(len(table))
    weights: NDArray[np.float64] = np.linalg.solve(left, table.T @ answered + ridge).clip(0)
    return weights


def target_shares(
    table: NDArray[np.float64], answered: NDArray[np.float64], source: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the estimated class shares of the target, `[K]`, of sum 1, from those of the source."""
    shares: NDArray[np.float64] = np.multiply(class_weights(table, answered), source)
    return shares / float(shares.sum())


def estimate_label_shift(
    answers: NDArray[np.int64], labels: NDArray[np.int64], target_answers: NDArray[np.int64],
    classes: tuple[str, ...], source: NDArray[np.float64], trust: float = 1.0, seed: int = 0,
) -> LabelShift:  # fmt: skip
    """Return the label shift from a classifier's answers on held-out source rows `[N]` and target rows `[M]`.

    `source` are the class shares `[K]` of all labelled source rows: a rare class may have none held out. The
    interval is the percentile bootstrap over both.
    """
    rng, count = np.random.default_rng(seed), len(classes)

    def shares(a: NDArray[np.int64], y: NDArray[np.int64], t: NDArray[np.int64]) -> NDArray[np.float64]:
        return target_shares(joint_table(a, y, count), np.bincount(t, minlength=count) / len(t), source)

    resampled = []
    for _ in range(RESAMPLES):
        idx, target_idx = (rng.integers(len(each), size=len(each)) for each in (labels, target_answers))
        resampled.append(shares(answers[idx], labels[idx], target_answers[target_idx]))
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    target = shares(answers, labels, target_answers)
    of_source, of_target, lower, upper = (tuple(map(float, each)) for each in (source, target, low, high))
    return LabelShift(classes, of_source, of_target, lower, upper, trust)

"""Attacks that decide whether a row was in the training set: of classifiers by shadow models, of generators by density.

Figures are true positive rates at small false positive rates (Carlini et al. 2022, arXiv:2112.03570): an attack that
is sure of few rows is worse than one that is hardly better than chance for all. A membership attack gives no bound:
that it fails proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.measure.scores.knn import nearest_neighbours
from sparring.stats.auc import macro_auc
from sparring.stats.intervals import Interval
from sparring.stats.proportion import Proportion

Floats = NDArray[np.float64]
RATES = (0.001, 0.01)
"""False positive rates at which the true positive rate is reported."""
MANY_SHADOWS = 64
"""Number of shadow models from which variances are per row; with fewer one pair serves all rows."""
PRIOR = 0.01
"""Proportion of members for which the precision is reported."""


@dataclass(frozen=True)
class MembershipResult:
    """How well members are recognised among others."""

    auc: Interval
    hits: Mapping[float, Proportion]
    """False positive rate -> proportion of the members that are recognised at it."""
    false: Mapping[float, Proportion]
    """False positive rate -> proportion of the others at the same threshold."""
    members: int
    others: int

    def precision(self, rate: float) -> float:
        """Return the proportion of members among the rows called so, where 1 % of all rows are members."""
        hit, false = self.hits[rate].value * PRIOR, self.false[rate].value * (1 - PRIOR)
        return hit / (hit + false) if hit + false else 0.0


def logit_confidence(probabilities: Floats, labels: NDArray[np.int64]) -> Floats:
    """Return log p_y / (1 - p_y), `[N]`, of class probabilities `[N, K]`: near to normal over trainings."""
    p = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1 - 1e-7)
    return np.asarray(np.log(p) - np.log1p(-p))


def lira_scores(target: Floats, shadows: Floats, entered: NDArray[np.bool_]) -> Floats:
    """Return log N(in) - log N(out), `[N]`, of the target's confidences `[N]`, by those of shadows `[S, N]`.

    `entered` `[S, N]`: whether the row was in the training set of the shadow; each row was in and out of some.
    """
    if not (entered.any(0) & (~entered).any(0)).all():
        raise ValueError("each row must be in some training sets of shadows, and out of some")
    means, deviations = [], []
    for side in (entered, ~entered):
        values = np.where(side, shadows, np.nan)
        means.append(np.nanmean(values, 0))
        if len(shadows) >= MANY_SHADOWS:
            deviations.append(np.nanstd(values, 0, ddof=1) + 1e-6)
        else:
            deviations.append(np.full(shadows.shape[1], math.sqrt(float(np.nanmean((values - means[-1]) ** 2))) + 1e-6))
    logs = [-((target - m) ** 2) / (2 * s**2) - np.log(s) for m, s in zip(means, deviations, strict=True)]
    return np.asarray(logs[0] - logs[1])


def density_ratio_scores(rows: Floats, samples: Floats, reference: Floats) -> Floats:
    """Return the distance to the nearest reference row minus that to the nearest sample, `[N]`, high for members.

    `reference` are rows from the same population that were not learnt from, or samples of a generator trained on them:
    without it every typical row looks like a member (van Breugel et al. 2023, arXiv:2302.12580).
    """
    queries = torch.from_numpy(rows)
    sides = (torch.from_numpy(side) for side in (reference, samples))
    to_reference, to_samples = (nearest_neighbours(queries, side)[0][:, 0].numpy() for side in sides)
    return np.asarray(to_reference - to_samples)


def membership_result(scores: Floats, is_member: NDArray[np.bool_], calibration: Floats) -> MembershipResult:
    """Return the figures of an attack with these scores `[N]`, higher for members.

    `calibration` are scores of further rows that were not learnt from: thresholds come from these alone.
    """
    hits, false = {}, {}
    for rate in RATES:
        threshold = np.quantile(calibration, 1 - rate, method="higher")
        called = scores > threshold
        hits[rate] = Proportion.count(int(called[is_member].sum()), int(is_member.sum()), "clopper-pearson")
        false[rate] = Proportion.count(int(called[~is_member].sum()), int((~is_member).sum()), "clopper-pearson")
    auc = macro_auc(np.stack([-scores, scores], 1), is_member.astype(np.int64))
    return MembershipResult(auc, hits, false, int(is_member.sum()), int((~is_member).sum()))

"""Scores of a classifier on a target without labels: weighted source risk, DEV, information, SND."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from sparring.measure.leakage.adversaries import logistic

MAX_WEIGHT = 10.0
"""Largest importance weight."""
PENALTY = 4e-2
"""Weight of the squared coefficients of the domain classifier, whose two classes have half of them each."""


def importance_weights(source: Tensor, target: Tensor, rows: Tensor) -> Tensor:
    """Return p_target / p_source of feature rows `[N, F]`, clipped to MAX_WEIGHT and scaled to mean 1, `[N]`.

    It is the odds of a logistic classifier of the domains, fitted on features `source` and `target` of training rows
    (Bickel et al. 2007). Both domains count the same.
    """
    both = torch.cat([source, target]).double()
    mean, std = both.mean(0), both.std(0).clamp_min(1e-6)

    def standardised(x: Tensor) -> NDArray[Any]:
        return ((x.double() - mean) / std).numpy()

    domains = np.repeat(np.array([0, 1]), [len(source), len(target)])
    scores = logistic(PENALTY)(standardised(both), domains, 0)(standardised(rows))
    weights = torch.from_numpy(scores[:, 1] - scores[:, 0]).clamp(max=math.log(MAX_WEIGHT)).exp()
    return weights / weights.mean()


def effective_size(weights: Tensor) -> float:
    """Return the effective number of rows of weights `[N]`: (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / weights.square().sum())


def weighted_risk(losses: Tensor, weights: Tensor) -> float:
    """Return the importance-weighted risk, sum w l / sum w, of losses and weights `[N]` of held-out source rows."""
    return float((weights * losses).sum() / weights.sum())


def dev_risk(losses: Tensor, weights: Tensor) -> float:
    """Return the deep embedded validation risk (You et al. 2019): mean(w l) + eta mean(w) - eta.

    eta = -Cov(w l, w) / Var(w) is the coefficient of a control variate.
    """
    products = weights * losses
    spread = weights.var()
    if float(spread) == 0:
        return float(products.mean())
    eta = -((products - products.mean()) * (weights - weights.mean())).sum() / (len(weights) - 1) / spread
    return float(products.mean() + eta * weights.mean() - eta)


def information(probabilities: Tensor) -> float:
    """Return the mutual information H(mean p) - mean H(p) of answers `[M, K]`, in nats (Musgrave et al. 2022)."""
    p = probabilities.double().clamp_min(1e-12)
    mean = p.mean(0)
    return float(-(mean * mean.log()).sum() + (p * p.log()).sum(1).mean())


def soft_neighbourhood_density(probabilities: Tensor, temperature: float = 0.05, max_rows: int = 1000) -> float:
    """Return the soft neighbourhood density of answers `[M, K]` (Saito et al. 2021, Eq. 3), of the first rows."""
    p = normalize(probabilities[:max_rows].double(), dim=1)
    similarity = (p @ p.T / temperature).fill_diagonal_(-torch.inf)
    log_p = similarity.log_softmax(1)
    return float(-(log_p.exp() * log_p.fill_diagonal_(0)).sum(1).mean())


def estimated_accuracy(confidence: Tensor, correct: Tensor, target: Tensor) -> float:
    """Return the estimated accuracy on a target by confidences there `[M]` (ATC, Garg et al. 2022).

    The threshold is that above which as many held-out source rows are, by `confidence` `[N]`, as answers are `correct`.
    """
    threshold = confidence.double().quantile(1 - correct.double().mean())
    return float((target.double() >= threshold).double().mean())

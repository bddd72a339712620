"""Losses of unsupervised domain adaptation: pure functions of features `[B, F]` and logits `[B, K]` of two domains."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus


def covariance(features: Tensor) -> Tensor:
    """Return the covariance `[F, F]` of features `[B, F]`, B at least 2."""
    centred = features - features.mean(0)
    return centred.T @ centred / (len(features) - 1)


def coral(source: Tensor, target: Tensor) -> Tensor:
    """Return ||Cov_s - Cov_t||_F^2 / (4 F^2) (Sun and Saenko 2016, "Deep CORAL", Eq. 1)."""
    return (covariance(source) - covariance(target)).square().sum() / (4 * source.shape[1] ** 2)


def entropies(logits: Tensor) -> Tensor:
    """Return the entropy of each row's class probabilities, `[B]`, in nats."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1)


def class_confusion(logits: Tensor, temperature: float = 2.5) -> Tensor:
    """Return the minimum class confusion loss of target logits (Jin et al. 2020, Eq. 3 to 7), in [0, 1).

    With P = softmax(logits / T) and weights w_i = B (1 + exp(-H_i)) / sum_j (1 + exp(-H_j)), the class correlation is
    C = P' diag(w) P, with rows scaled to sum 1. The loss is the mean of a row's mass off the diagonal.
    """
    p = (logits / temperature).softmax(1)
    certainty = 1 + torch.exp(-entropies(logits / temperature)).detach()
    weights = len(p) * certainty / certainty.sum()
    correlation = p.T @ (weights[:, None] * p)
    correlation = correlation / correlation.sum(1, keepdim=True)
    return 1 - correlation.diagonal().mean()


def domain_loss(source: Tensor, target: Tensor, weights: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Return the cross entropy of a critic's logits `[B]`, positive for the source; each domain counts half.

    `weights` `[B]` of the rows, of mean 1 in each domain, come from `entropy_weights`.
    """
    of_source, of_target = softplus(-source), softplus(target)
    if weights is not None:
        of_source, of_target = of_source * weights[0], of_target * weights[1]
    return (of_source.mean() + of_target.mean()) / 2


def domain_accuracy(source: Tensor, target: Tensor) -> Tensor:
    """Return how often the critic's logits `[B]` name the right domain."""
    return ((source > 0).float().mean() + (target <= 0).float().mean()) / 2


def entropy_weights(logits: Tensor) -> Tensor:
    """Return w = 1 + exp(-H(p)) of each row, scaled to mean 1 (Long et al. 2018, "CDAN", Eq. 9)."""
    weights = 1 + torch.exp(-entropies(logits))
    return (weights / weights.mean()).detach()


def discrepancy(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean absolute difference of two heads' class probabilities (Saito et al. 2018, "MCD", Eq. 2)."""
    return (first.softmax(1) - second.softmax(1)).abs().mean()

"""Scores of the predicted classes of samples: number of modes, and divergence from the data's class proportions."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.stats.intervals import Estimate


def mode_count(predicted: Tensor) -> Estimate:
    """Return the number of distinct classes in predictions `[N]` (Metz et al. 2017, section 3.3.1: Stacked MNIST)."""
    counts = predicted.bincount()
    single = (counts[predicted] == 1).double() * (len(predicted) - 1)  # rows whose class would be missing without them
    return Estimate(float((counts > 0).sum()), single - single.mean(), torch.zeros(1))


def class_divergence(predicted: Tensor, counts: Tensor) -> Estimate:
    """Return KL(class proportions of the samples || of the data), in nats, of predictions `[N]` and data counts `[K]`.

    Metz et al. 2017, section 3.3.1. About (K - 1) / 2N even for perfect samples. A class missing in the data counts as
    half a row of theirs.
    """
    proportions = predicted.bincount(minlength=len(counts)).double() / len(predicted)
    expected = counts.double().clamp_min(0.5) / counts.sum()
    log_ratio = (proportions / expected)[predicted].log()
    return Estimate(float(log_ratio.mean()), log_ratio - log_ratio.mean(), torch.zeros(1))

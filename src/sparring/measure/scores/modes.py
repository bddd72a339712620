"""Which classes the samples are of, by a classifier: modes found, and how far their shares are from the data's."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.stats.intervals import Estimate


def mode_count(predicted: Tensor) -> Estimate:
    """The number of different classes among the predictions `[N]` (Metz et al. 2017, section 3.3.1: Stacked MNIST)."""
    counts = predicted.bincount()
    alone = (counts[predicted] == 1).double() * (len(predicted) - 1)  # without such a row its class would be missed
    return Estimate(float((counts > 0).sum()), alone - alone.mean(), torch.zeros(1))


def class_divergence(predicted: Tensor, counts: Tensor) -> Estimate:
    """KL(samples' class shares || data's), in nats, of predictions `[N]` and the data's class counts `[K]`.

    Metz et al. 2017, section 3.3.1. Above 0 even for perfect samples, by about (K - 1) / 2N. A class that the data do
    not have counts as half an image of theirs.
    """
    shares = predicted.bincount(minlength=len(counts)).double() / len(predicted)
    wanted = counts.double().clamp_min(0.5) / counts.sum()
    ratio = (shares / wanted)[predicted].log()
    return Estimate(float(ratio.mean()), ratio - ratio.mean(), torch.zeros(1))

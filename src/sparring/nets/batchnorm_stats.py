"""Standing statistics: what batch normalisation should know of the noise that samples are drawn from (Brock et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(net: nn.Module) -> list[_BatchNorm]:
    """The layers of `net` that keep means and variances over batches."""
    return [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


@torch.no_grad()
def estimate_batchnorm_stats(net: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Set each batch norm's mean and variance to their averages over `batches`, each the inputs of `net` (section 3.1).

    Only these layers are put into training mode meanwhile: nothing else of the net changes, and all batches count alike.
    """
    layers = batch_norms(net)
    before = [(layer, layer.training, layer.momentum) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
        layer.momentum = None  # of all batches so far, in place of a moving average
    try:
        for inputs in batches:
            net(*inputs)
    finally:
        for layer, training, momentum in before:
            layer.momentum = momentum
            layer.train(training)

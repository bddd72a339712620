"""Standing statistics of batch normalisation, re-estimated for truncated noise (Brock et al. 2019, appendix B)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(net: nn.Module) -> list[_BatchNorm]:
    """Return the batch norm layers of `net` that track running statistics."""
    return [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


@torch.no_grad()
def estimate_batchnorm_stats(net: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Set the running statistics of each batch norm layer to their averages over `batches`, tuples of inputs of `net`.

    All batches have equal weight. Only these layers are in training mode meanwhile.
    """
    layers = batch_norms(net)
    before = [(layer, layer.training, layer.momentum) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
        layer.momentum = None  # cumulative instead of moving average
    try:
        for inputs in batches:
            net(*inputs)
    finally:
        for layer, training, momentum in before:
            layer.momentum = momentum
            layer.train(training)

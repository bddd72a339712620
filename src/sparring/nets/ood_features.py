"""Embeddings for out-of-distribution scores: a classifier's features and the input of the layer before them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, normalize

from sparring.nets.feature_head import features_of

POOL_SIDE = 4
"""Largest height and width to which feature maps are pooled."""


def ood_features(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return features `[B, F]` and OOD embeddings `[B, F + E]`, both float32, of images `[B, C, H, W]`.

    An embedding concatenates the features with the input of the last layer before them, each of unit length. Features
    separate the known classes but may map unknown inputs onto them; the earlier layer still shows the difference (Lee
    et al. 2018, "A simple unified framework", section 2.2, use all layers). If `features` has no layer with weights,
    the image itself is the earlier input. `net` has `features` and `head` (`games.semi_supervised.FeatureClassifier`).
    """
    inputs: list[Tensor] = [x]
    of_head = set(net.head.modules()) if isinstance(net.head, nn.Module) else set()
    layers = [layer for layer in net.modules() if layer not in of_head and _has_matrix(layer)]
    hooks = [layer.register_forward_pre_hook(lambda _, args: inputs.extend(args[:1])) for layer in layers]
    try:
        features = features_of(net, x)
    finally:
        for hook in hooks:
            hook.remove()
    return features, torch.cat([normalize(features, dim=1), normalize(_flat(inputs[-1].float()), dim=1)], 1)


def _has_matrix(layer: nn.Module) -> bool:
    """Return True for linear layers and convolutions, False for norms and containers."""
    return any(weight.dim() > 1 for weight in layer.parameters(recurse=False))


def _flat(h: Tensor) -> Tensor:
    """Reduce maps `[B, C, H, W]`, tokens `[B, T, C]` or vectors to `[B, E]`."""
    if h.dim() == 4:
        h = adaptive_avg_pool2d(h, (min(h.shape[2], POOL_SIDE), min(h.shape[3], POOL_SIDE)))
    return h.mean(1) if h.dim() == 3 else h.flatten(1)

"""What a classifier sees of an image at two depths: its features, and what the last layer before them was given."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, normalize

from sparring.nets.feature_head import features_of

GRID = 4
"""Places to a side at which a map of channels is looked at, at most."""


def ood_features(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Features `[B, F]` of images `[B, C, H, W]`, and both depths side by side `[B, F + E]`, each of unit length; float32.

    `net` is of two halves (`games.semi_supervised.Halves`). Features tell its classes apart, and all that is none of them may
    look like any; the layer before them still sees what is strange (Lee et al. 2018, "A simple unified framework", section
    2.2, look at all layers). Where `features` has no layer with weights, the images themselves are the earlier look.
    """
    given: list[Tensor] = [x]
    of_head = set(net.head.modules()) if isinstance(net.head, nn.Module) else set()
    weighty = [layer for layer in net.modules() if layer not in of_head and _has_weights(layer)]
    hooks = [layer.register_forward_pre_hook(lambda _, inputs: given.extend(inputs[:1])) for layer in weighty]
    try:
        features = features_of(net, x)
    finally:
        for hook in hooks:
            hook.remove()
    return features, torch.cat([normalize(features, dim=1), normalize(_flat(given[-1].float()), dim=1)], 1)


def _has_weights(layer: nn.Module) -> bool:
    """A linear map or a convolution of any make, not a norm, and not what holds them."""
    return any(weight.dim() > 1 for weight in layer.parameters(recurse=False))


def _flat(h: Tensor) -> Tensor:
    """`[B, E]` of maps `[B, C, H, W]`, of tokens `[B, T, C]`, or of vectors."""
    if h.dim() == 4:
        h = adaptive_avg_pool2d(h, (min(h.shape[2], GRID), min(h.shape[3], GRID)))
    return h.mean(1) if h.dim() == 3 else h.flatten(1)

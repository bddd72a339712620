"""Critics that classify the domain by features, and the map that conditions features on class probabilities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.nets.layers import Head

MAX_PRODUCT = 4096
"""Largest size of the outer product of features and probabilities; larger ones are projected to it."""


class DomainCritic(nn.Module):
    """Features `[B, F]` -> logits `[B]`, positive for the source; two hidden layers without batch statistics."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(features, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, hidden), nn.LeakyReLU(0.1)
        )
        self.head = Head(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map features to logits, float32."""
        logits: Tensor = self.head(self.hidden(x))
        return logits.squeeze(1)


class MultilinearMap(nn.Module):
    """Features `[B, F]` and probabilities `[B, K]` -> their outer product (Long et al. 2018, "CDAN", Eq. 5 and 6).

    Of more than MAX_PRODUCT numbers it is (R_f f) * (R_p p) / sqrt(MAX_PRODUCT), with fixed Gaussian matrices.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.outputs = min(features * classes, MAX_PRODUCT)
        self.is_random = features * classes > MAX_PRODUCT
        if self.is_random:
            self.register_buffer("of_features", torch.randn(features, MAX_PRODUCT))
            self.register_buffer("of_classes", torch.randn(classes, MAX_PRODUCT))

    of_features: Tensor
    of_classes: Tensor

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """Map features and probabilities to `[B, outputs]`."""
        if self.is_random:
            projected: Tensor = (features @ self.of_features) * (probabilities @ self.of_classes) / self.outputs**0.5
            return projected
        return (features[:, :, None] * probabilities[:, None, :]).flatten(1)


class HeadPair(nn.Module):
    """Two heads on the same features; their answer is the log of the mean of both probabilities, `[B, K]`."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def both(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of each head."""
        return self.first(features).float(), self.second(features).float()

    def forward(self, features: Tensor) -> Tensor:
        """Return log((p1 + p2) / 2)."""
        logits = torch.stack([each.log_softmax(1) for each in self.both(features)])
        return logits.logsumexp(0) - torch.log(torch.tensor(2.0, device=logits.device))

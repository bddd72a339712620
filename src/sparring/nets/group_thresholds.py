"""A classifier of two classes with one threshold for each group, which is encoded in columns of the row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class GroupThresholds(nn.Module):
    """Rows `[B, F]` -> logits `[B, 2]`, of which the second is shifted by the group.

    `columns` are the positions of the group's indicators in a row; `head.shifts` is added where they are 1.
    """

    def __init__(self, classifier: nn.Module, columns: Sequence[int]) -> None:
        super().__init__()
        self.classifier, self.columns = classifier, list(columns)
        self.head = ShiftedHead(classifier.head, len(columns))  # type: ignore[arg-type]

    def features(self, x: Tensor) -> Tensor:
        """Map rows to features and the group's indicators, `[B, F + G]`."""
        features: Tensor = self.classifier.features(x)  # type: ignore[operator]
        return torch.cat([features, x[:, self.columns].to(features)], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows to logits."""
        logits: Tensor = self.head(self.features(x))
        return logits


class ShiftedHead(nn.Module):
    """Features and indicators `[B, F + G]` -> logits `[B, 2]`."""

    shifts: Tensor

    def __init__(self, head: nn.Module, groups: int) -> None:
        super().__init__()
        self.inner, self.groups = head, groups
        self.register_buffer("shifts", torch.zeros(groups))

    def forward(self, h: Tensor) -> Tensor:
        """Map features to logits."""
        logits: Tensor = self.inner(h[:, : -self.groups])
        shift = h[:, -self.groups :] @ self.shifts.to(h)
        return torch.stack([logits[:, 0], logits[:, 1] + shift], 1)

"""Boosted trees as arrays, and buffers whose sizes depend on the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

MAX_LOG_ODDS = 5.0
"""Bound of the log-odds by which a sample is selected from candidates."""


class SizedByData(nn.Module):
    """A module whose buffers take the sizes of what is loaded into them."""

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        for name, buffer in list(self.named_buffers(recurse=False)):
            if (saved := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.zeros_like(saved, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *args)


class TreeOdds(SizedByData):
    """Maps rows `[B, C]` to log-odds `[B]`: the sum of one value of each tree; 0 without trees.

    Node n of tree t sends a row left where its column `feature[t, n]` is at most `threshold[t, n]`. The children of a
    leaf are the leaf itself.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    depth: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, kind in {
            "feature": torch.int64, "threshold": torch.float32, "left": torch.int64, "right": torch.int64,
            "value": torch.float32,
        }.items():  # fmt: skip
            self.register_buffer(name, torch.zeros(0, 0, dtype=kind))
        self.register_buffer("depth", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-odds."""
        if not len(self.feature):
            return x.new_zeros(len(x))
        node = torch.zeros(len(self.feature), len(x), dtype=torch.int64, device=x.device)
        for _ in range(int(self.depth)):
            feature = self.feature.gather(1, node)
            goes_left = x.T.gather(0, feature) <= self.threshold.gather(1, node)
            node = torch.where(goes_left, self.left.gather(1, node), self.right.gather(1, node))
        return self.value.gather(1, node).sum(0)

    def select(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Return the row numbers `[B]` of one of each K consecutive rows of `x` `[B K, C]`, drawn by their odds.

        `uniform` `[B, 1]` is in [0, 1). Sampling-importance resampling (Rubin 1987).
        """
        count, candidates = len(uniform), len(x) // max(len(uniform), 1)
        odds = self(x).clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS).double().exp()
        sums = odds.view(count, candidates).cumsum(1)
        first = candidates * torch.arange(count, device=x.device)
        selected: Tensor = (sums <= uniform * sums[:, -1:]).sum(1).clamp(max=candidates - 1) + first
        return selected

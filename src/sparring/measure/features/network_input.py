"""Rows of any kind as input of a measure's network."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def as_input(rows: NDArray[Any], device: torch.device) -> Tensor:
    """Convert images `[B, H, W, C]` to float32 `[B, C, H, W]`, bytes to [-1, 1]; other rows `[B, ...]` to float32."""
    x = torch.from_numpy(rows).to(device)
    x = x.permute(0, 3, 1, 2) if x.dim() == 4 else x
    return x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x.float()

"""Promotion of tensors to the precision of losses."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Return `x` as float32, or unchanged where it is float64 (bf16 -> float32)."""
    return x.to(torch.promote_types(x.dtype, torch.float32))

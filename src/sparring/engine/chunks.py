"""Apply a function to a tensor chunk by chunk, to bound memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def chunked(function: Callable[[Tensor], Tensor], x: Tensor, rows: int) -> Tensor:
    """Return `function(x)` for a `function` of each row of x `[N, ...]`, computed on chunks of at most `rows` rows."""
    return torch.cat([function(chunk) for chunk in torch.split(x, rows)])

"""Gradient reversal (Ganin et al. 2016, "Domain-adversarial training of neural networks", section 4)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        return -ctx.strength * grad_outputs[0], None


def reverse_gradient(x: Tensor, strength: float = 1.0) -> Tensor:
    """Return `x`; its gradient is multiplied by -`strength` (Eq. 13 and 14)."""
    result: Tensor = _Reversal.apply(x, strength)  # type: ignore[no-untyped-call]
    return result


def reversal_strength(at: float, gamma: float = 10.0) -> float:
    """Return lambda = 2 / (1 + exp(-gamma `at`)) - 1, from 0 to 1 over the run (section 5.2.2)."""
    return 2 / (1 + math.exp(-gamma * at)) - 1

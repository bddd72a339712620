"""Stochastic models: how often each row is misclassified over many passes, since a single pass proves little."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.attacks.validation import Model, frozen
from sparring.engine.errors import UsageError

DRAWS = 100
"""Passes per row, by default."""


def outputs_differ(logits: Tensor, again: Tensor) -> bool:
    """Return True if two passes over the same rows differ by more than rounding."""
    return bool((again - logits).abs().max() > 1e-4 * logits.abs().max())


def is_stochastic(model: Model, x: Tensor, seed: int = 0) -> bool:
    """Return True if two passes of `model` over x `[B, ...]` differ."""
    with torch.no_grad(), frozen(model, seed):
        return outputs_differ(model(x), model(x))


@torch.no_grad()
def error_rates(
    model: Model, x: Tensor, y: Tensor, *, draws: int = DRAWS, seed: int = 0, batch_size: int = 256
) -> Tensor:
    """Return the fraction of `draws` passes that misclassify each row of x `[B, ...]`, y `[B]`; float64 `[B]`."""
    if draws < 1 or batch_size < 1:
        raise UsageError(f"draws and batch_size must be 1 or more, not {draws} and {batch_size}")
    rates = []
    with frozen(model, seed):
        for points, labels in zip(torch.split(x, batch_size), torch.split(y, batch_size), strict=True):
            rates.append(torch.stack([model(points).argmax(1) != labels for _ in range(draws)]).double().mean(0))
    return torch.cat(rates) if rates else torch.zeros(0, dtype=torch.float64)

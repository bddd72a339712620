"""Models that draw random numbers: how often each row is wrong, for one lucky draw tells nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.attacks.validation import Model, frozen
from sparring.engine.errors import UsageError

DRAWS = 100


def outputs_differ(logits: Tensor, again: Tensor) -> bool:
    """True where two passes over the same rows are further apart than rounding makes them."""
    return bool((again - logits).abs().max() > 1e-4 * logits.abs().max())


def is_stochastic(model: Model, x: Tensor, seed: int = 0) -> bool:
    """True where `model` answers x `[B, ...]` differently each time."""
    with torch.no_grad(), frozen(model, seed):
        return outputs_differ(model(x), model(x))


@torch.no_grad()
def error_rates(
    model: Model, x: Tensor, y: Tensor, *, draws: int = DRAWS, seed: int = 0, batch_size: int = 256
) -> Tensor:
    """The share of `draws` passes in which each row of x `[B, ...]` is not taken for its class y `[B]`; float64 `[B]`."""
    if draws < 1 or batch_size < 1:
        raise UsageError(f"draws and batch_size must be 1 or more, not {draws} and {batch_size}")
    succeeds = []
    with frozen(model, seed):
        for part, label in zip(torch.split(x, batch_size), torch.split(y, batch_size), strict=True):
            succeeds.append(torch.stack([model(part).argmax(1) != label for _ in range(draws)]).double().mean(0))
    return torch.cat(succeeds) if succeeds else torch.zeros(0, dtype=torch.float64)

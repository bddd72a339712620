"""Memory layout of the networks of other tools: channels_last is faster on CPUs."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor, nn

from sparring.attacks.attack_state import input_gradient
from sparring.attacks.validation import Model, frozen
from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.try_target import TRIED_ROWS, repeated

TOLERANCE = 1e-3
"""Largest change of logits and gradients by the layout, relative to their largest value: it is one of rounding."""
BY_ROWS = torch.contiguous_format


def in_channels_last(target: Target, x: Tensor) -> Target:
    """Put the convolutions of the target's network in channels_last, where it answers as before; return the target.

    Passes are then faster on a CPU (docs/results.md). Code that relies on the other layout (`view`) fails: such a
    network is left as it was. `x` `[B, ...]` is what it is tried on.
    """
    net = target.model
    if target.classifier is not None or x.device.type != "cpu" or not isinstance(net, nn.Module) or not _in_rows(net):
        return target
    counts = (1, 2, TRIED_ROWS)
    before = [_tried(net, repeated(x, count)) for count in counts]
    try:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        same = all(_equal(_tried(net, repeated(x, count)), old) for count, old in zip(counts, before, strict=True))
    except Exception:  # foreign code may raise anything
        same = False
    if not same:
        with suppress(Exception):
            net.to(memory_format=BY_ROWS)  # type: ignore[call-overload]
    return target


def _in_rows(net: nn.Module) -> bool:
    """Return True where the network has weights of four dimensions, those of 2-D convolutions, and all are by rows."""
    weights = [p for p in net.parameters() if p.dim() == 4]
    return bool(weights) and all(p.is_contiguous() for p in weights)


def _tried(model: Model, rows: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return the logits at rows `[B, ...]` and the gradient of their squares; None where the model fails."""
    leaf = rows.detach().requires_grad_()
    try:
        with frozen(model, seed=0), torch.enable_grad():
            logits = model(leaf)
            return logits.detach(), input_gradient(logits.square().sum(1), leaf)
    except Exception:  # foreign code may raise anything
        return None


def _equal(new: tuple[Tensor, Tensor] | None, old: tuple[Tensor, Tensor] | None) -> bool:
    """Return True where both have the same values, but for rounding."""
    if new is None or old is None:
        return False
    return all(
        a.shape == b.shape and bool(((a - b).abs() <= TOLERANCE * b.abs().max()).all())
        for a, b in zip(new, old, strict=True)
    )

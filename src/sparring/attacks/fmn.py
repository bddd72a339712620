"""The fast minimum-norm attack: steps in a ball that shrinks after each success (Pintor et al. 2021, Algorithm 1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparring.attacks.attack_state import check_budget, running_attack
from sparring.attacks.fab import DUAL_NORM
from sparring.attacks.losses import margin
from sparring.attacks.min_norm import MinNormState
from sparring.attacks.norms import Norm, length, project, unsqueeze_like
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError

FINAL_FRACTION = 0.01
"""Last step length and last change of the radius, as fractions of the first; both follow half a cosine."""


def fmn(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    steps: int = 100,
    step: float = 10.0,
    gamma: float = 0.05,
    seed: int = 0,
) -> Result:
    """Search for the nearest adversarial example of x `[B, ...]` in any norm; `distance` is set beyond eps too.

    `step` is the length of the first step, in units of the linearised L2 distance from the data to the boundary. The
    paper's is an absolute length, which depends on the box and the data. Of 1, 3, 10 and 30, 10 did well in all norms
    on two digit networks and on linear ones. `gamma` is the initial fraction by which the radius grows or shrinks.

    Without `target` it moves to the likeliest wrong class; a nearer boundary of another class is found only with
    `target`.
    """
    check_budget(steps=steps)
    if not (step > 0 and 0 < gamma < 1):
        raise UsageError(f"step must be above 0, and gamma between 0 and 1, not {step} and {gamma}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        nearest, idx = MinNormState(state), state.unbroken_idx
        region = nearest.region.select(idx)
        norm, low, high = region.norm, region.low - region.x, region.high - region.x
        delta, radius, first_distance = torch.zeros_like(region.x), region.eps, None
        for k in range(steps + 1 if len(idx) else 0):
            x_proj = region.round_discrete(torch.clamp(region.x + delta, region.low, region.high))
            if k == steps:
                nearest.record(x_proj, state.logits(x_proj, idx), idx, k)
                break
            logits, margins, gradient = state.gradient(x_proj, idx, margin)
            success = nearest.record(x_proj, logits, idx, k)
            decay = FINAL_FRACTION + (1 - FINAL_FRACTION) * (1 + math.cos(math.pi * k / steps)) / 2
            radius = _next_radius(norm, radius, delta, margins, gradient, success, nearest.distance[idx], decay * gamma)
            slope = length("L2", gradient).clamp(min=1e-12)
            first_distance = margins.abs() / slope if first_distance is None else first_distance
            direction = gradient / unsqueeze_like(slope, gradient)
            stepped = delta + unsqueeze_like(decay * step * first_distance, direction) * direction
            delta = project(norm, stepped, radius, low, high)
        return nearest.result()


def _next_radius(
    norm: Norm,
    radius: Tensor,
    delta: Tensor,
    margins: Tensor,
    gradient: Tensor,
    success: Tensor,
    nearest: Tensor,
    gamma: float,
) -> Tensor:
    """Return the next radius `[R]`: the linearised boundary before the first success, then `gamma` less or more."""
    if norm == "L0":  # by whole entries
        boundary = length(norm, delta) + 1
        smaller, larger = torch.minimum((radius * (1 - gamma)).floor(), radius - 1), (radius * (1 + gamma)).floor()
        larger = torch.maximum(larger, radius + 1)
    else:
        boundary = length(norm, delta) + margins.abs() / length(DUAL_NORM[norm], gradient).clamp(min=1e-12)
        boundary = (1 + gamma) * boundary  # a point exactly on the boundary would stay there
        smaller, larger = radius * (1 - gamma), radius * (1 + gamma)
    outside = torch.where(torch.isinf(nearest), boundary, larger)
    return torch.where(success, torch.minimum(smaller, nearest), outside)

"""The fast minimum-norm attack: steps in a ball that shrinks where it is large enough (Pintor et al. 2021, Algorithm 1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparring.attacks.attack_state import check_budget, running_attack
from sparring.attacks.fab import DUAL
from sparring.attacks.losses import margin
from sparring.attacks.min_norm import MinNormState
from sparring.attacks.norms import Norm, length, project, unsqueeze_like
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError

LAST = 0.01
"""The last step, and the last change of the radius, as shares of the first: both fall along a half cosine."""


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
    """The nearest adversarial example; success is one within eps, and `distance` tells how far it is in any case.

    `step` is the length of the first step, in L2 distances to the boundary as it looks from the data (the paper's is a
    length, which would have to be told for each box and kind of data; of 1, 3, 10 and 30, 10 did well in all norms on two
    nets of digits and on linear ones). `gamma` is the share by which the radius of the ball grows or shrinks at first. All
    norms. It goes for the likeliest class; where another one's boundary is nearer, only a `target` finds that.
    """
    check_budget(steps=steps)
    if not (step > 0 and 0 < gamma < 1):
        raise UsageError(f"step must be above 0, and gamma between 0 and 1, not {step} and {gamma}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        nearest, rows = MinNormState(state), state.unbroken_idx
        region = nearest.region.select(rows)
        norm, low, high = region.norm, region.low - region.x, region.high - region.x
        delta, radius, stride = torch.zeros_like(region.x), region.eps, None
        for k in range(steps + 1 if len(rows) else 0):
            seen = region.round_discrete(torch.clamp(region.x + delta, region.low, region.high))
            if k == steps:
                nearest.record(seen, state.logits(seen, rows), rows, k)
                break
            logits, above, gradient = state.gradient(seen, rows, margin)
            hit = nearest.record(seen, logits, rows, k)
            share = LAST + (1 - LAST) * (1 + math.cos(math.pi * k / steps)) / 2
            radius = _radius(norm, radius, delta, above, gradient, hit, nearest.distance[rows], share * gamma)
            slope = length("L2", gradient).clamp(min=1e-12)
            stride = above.abs() / slope if stride is None else stride
            way = gradient / unsqueeze_like(slope, gradient)
            delta = project(norm, delta + unsqueeze_like(share * step * stride, way) * way, radius, low, high)
        return nearest.result()


def _radius(
    norm: Norm,
    radius: Tensor,
    delta: Tensor,
    above: Tensor,
    gradient: Tensor,
    hit: Tensor,
    nearest: Tensor,
    gamma: float,
) -> Tensor:
    """The next radius, `[R]`: to the boundary as it looks from here, until it was crossed once; then a little more or less."""
    if norm == "L0":  # by whole entries
        ahead = length(norm, delta) + 1
        less, more = torch.minimum((radius * (1 - gamma)).floor(), radius - 1), (radius * (1 + gamma)).floor()
        more = torch.maximum(more, radius + 1)
    else:
        ahead = length(norm, delta) + above.abs() / length(DUAL[norm], gradient).clamp(min=1e-12)
        ahead = (1 + gamma) * ahead  # a point on the boundary to the last bit would stay there
        less, more = radius * (1 - gamma), radius * (1 + gamma)
    outside = torch.where(torch.isinf(nearest), ahead, more)
    return torch.where(hit, torch.minimum(less, nearest), outside)

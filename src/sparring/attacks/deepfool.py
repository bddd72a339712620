"""DeepFool: steps onto the nearest linearised boundary until crossed (Moosavi-Dezfooli et al. 2016, Algorithm 2)."""

from __future__ import annotations

from torch import Tensor

from sparring.attacks.attack_state import check_budget, running_attack
from sparring.attacks.fab import linearised_boundary
from sparring.attacks.min_norm import MinNormState, check_norm
from sparring.attacks.norms import project_onto_hyperplane
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError


def deepfool(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    steps: int = 50,
    overshoot: float = 0.02,
    seed: int = 0,
) -> Result:
    """Search for a near adversarial example of x `[B, ...]` in few steps; `distance` is set beyond eps too.

    Each step is the shortest one, within the bounds, onto the nearest boundary to another class (with a target, onto
    the target's). The point evaluated lies farther from x than the iterate by a fraction of `overshoot`. L2, Linf and
    L1.

    The paper's steps ignore the box. Clipping them afterwards, aimed slightly beyond the boundary, gave 2 to 7 %
    smaller distances in L2 and Linf on two digit networks. It took twice the passes, and in L1 failed on most rows.
    """
    check_budget(steps=steps)
    check_norm("deepfool", threat.norm, ("L2", "Linf", "L1"))
    if not overshoot >= 0:
        raise UsageError(f"overshoot is a fraction of the perturbation, 0 or more, not {overshoot}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        nearest, idx = MinNormState(state), state.unbroken_idx
        region = nearest.region.select(idx)
        x_adv = region.x
        for step in range(steps + 1 if len(idx) else 0):
            x_proj = region.round_discrete(region.clip(region.x + (1 + overshoot) * (x_adv - region.x)))
            if step == steps:
                nearest.record(x_proj, state.logits(x_proj, idx), idx, step)
                break
            logits, gap, normal = linearised_boundary(state, x_proj, idx, None)
            unbroken = ~nearest.record(x_proj, logits, idx, step)
            idx, region, x_adv = idx[unbroken], region.select(unbroken), x_adv[unbroken]
            gap, normal = gap[unbroken], normal[unbroken]
            if not len(idx):
                break
            low, high = ((bound - x_adv).flatten(1) for bound in (region.low, region.high))
            x_adv = x_adv + project_onto_hyperplane(region.norm, normal.flatten(1), -gap, low, high).view_as(x_adv)
        return nearest.result()

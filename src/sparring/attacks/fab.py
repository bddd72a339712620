"""The fast adaptive boundary attack (Croce and Hein 2020b, "Minimally distorted adversarial examples", Algorithm 1).

It walks along the decision boundary towards the data. Here it only decides whether an adversarial example lies within
eps, so a row leaves at the step at which one does. Until then the walk is the paper's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState, check_budget, running_attack
from sparring.attacks.feasible_set import FeasibleSet
from sparring.attacks.losses import margin
from sparring.attacks.norms import Norm, length, project_onto_hyperplane, unsqueeze_like
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix

ALPHA_MAX, ETA, BETA = 0.1, 1.05, 0.9
"""Maximal weight of the step from the data, overshoot of the boundary, contraction towards the data (Algorithm 1)."""
DUAL_NORM: dict[Norm, Norm] = {"Linf": "L1", "L2": "L2", "L1": "Linf"}


def fab(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    n_targets: int = 0,
    steps: int = 100,
    restarts: int = 1,
    seed: int = 0,
) -> Result:
    """Search for a point of x `[B, ...]` beyond the decision boundary and within eps.

    By default it walks to the nearest of all boundaries, with one backward pass per class. With `n_targets` it walks to
    each of the likeliest wrong classes in turn, with one backward pass (FAB-T). The first restart begins at x. Linf, L2
    and L1.
    """
    if threat.norm == "L0":
        raise UsageError("fab does not support L0: use pgd")
    check_budget(steps=steps, restarts=restarts, n_targets=n_targets, target=target)
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        unbounded = threat.around(x, ball=False)
        generator = torch.Generator().manual_seed(mix(seed))
        for restart in range(restarts):
            for idx, target_class in state.target_groups(n_targets, 1):
                region, x_adv = unbounded.select(idx), x[idx]
                if restart:
                    x_adv = (x_adv + state.region.select(idx).random_point(generator)) / 2
                _walk(state, idx, target_class, region, x_adv, steps, restart * steps)
        return state.result()


def _walk(
    state: AttackState,
    idx: Tensor,
    target_class: Tensor | None,
    region: FeasibleSet,
    x_adv: Tensor,
    steps: int,
    first_step: int,
) -> None:
    """Walk along the boundary from `x_adv` `[P, ...]`; `first_step` counts the steps of earlier restarts."""
    for step in range(steps + 1):
        x_proj = region.round_discrete(x_adv)
        if step == steps:
            logits = state.logits(x_proj, idx)
        else:
            logits, gap, normal = linearised_boundary(state, x_proj, idx, target_class)
        within = length(region.norm, x_proj - region.x) <= state.region.eps[idx]
        state.record(x_proj[within], logits[within], idx[within], first_step + step)
        if step == steps:
            return
        too_far = state.is_adversarial(logits, idx) & ~state.success[idx]
        if too_far.any():  # adversarial, but beyond eps: move back towards the data and linearise there
            back = region.x[too_far] + BETA * (x_adv[too_far] - region.x[too_far])
            x_adv = x_adv.index_put((too_far,), back)
            rounded = region.select(too_far).round_discrete(back)
            _, new_gap, new_normal = linearised_boundary(state, rounded, idx[too_far], _select(target_class, too_far))
            gap, normal = gap.index_put((too_far,), new_gap), normal.index_put((too_far,), new_normal)
        unbroken = ~state.success[idx]
        if not unbroken.all():
            idx, target_class = idx[unbroken], _select(target_class, unbroken)
            region, x_adv, gap, normal = region.select(unbroken), x_adv[unbroken], gap[unbroken], normal[unbroken]
            if not len(idx):
                return
        x_adv = _step(region, x_adv, gap, normal)


def _step(region: FeasibleSet, x_adv: Tensor, gap: Tensor, normal: Tensor) -> Tensor:
    """Return the next points (Eqs. 9 to 11): projections of `x_adv` and of the data onto the boundary, averaged."""
    x = region.x
    w, offset = normal.flatten(1), (x_adv - x).flatten(1)
    low, high = (region.low - x).flatten(1), (region.high - x).flatten(1)
    delta = project_onto_hyperplane(
        region.norm,
        torch.cat([w, w]),
        torch.cat([-gap, (w * offset).sum(1) - gap]),
        torch.cat([low - offset, low]),
        torch.cat([high - offset, high]),
    )
    distance = length(region.norm, delta).clamp(min=1e-8)
    from_point, from_data = delta.view(2, *x_adv.shape)
    point_distance, data_distance = distance[: len(x_adv)], distance[len(x_adv) :]
    alpha = unsqueeze_like((point_distance / (point_distance + data_distance)).clamp(max=ALPHA_MAX), x_adv)
    return region.clip((1 - alpha) * (x_adv + ETA * from_point) + alpha * (x + ETA * from_data))


def linearised_boundary(
    state: AttackState, points: Tensor, idx: Tensor, target_class: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Linearise the decision boundary at `points` `[P, ...]`.

    Returns the logits `[P, K]`, the logit difference `[P]`, above 0 beyond the boundary, and its gradient `[P, ...]`.
    The boundary is that to `target_class` `[P]`, else to the attack's target, else to the nearest class.
    """
    if target_class is not None:
        return state.gradient(points, idx, _logit_difference, target_class)
    if state.target is not None:
        return state.gradient(points, idx, margin)
    logits, gradients = state.jacobian(points, idx)
    label = state.y[idx][:, None]
    gaps = logits - logits.gather(1, label)
    normals = gradients - gradients.take_along_dim(unsqueeze_like(label.squeeze(1), gradients), 1)
    dual_length = length(DUAL_NORM[state.threat.norm], normals.flatten(0, 1)).view_as(gaps)
    nearest = (gaps.abs() / (dual_length + 1e-12)).scatter(1, label, torch.inf).argmin(1, keepdim=True)
    normal = normals.take_along_dim(unsqueeze_like(nearest.squeeze(1), normals), 1).squeeze(1)
    return logits, gaps.gather(1, nearest).squeeze(1), normal


def _logit_difference(logits: Tensor, y: Tensor, target: Tensor | None) -> Tensor:
    assert target is not None
    return (logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])).squeeze(1)


def _select(target_class: Tensor | None, mask: Tensor) -> Tensor | None:
    return None if target_class is None else target_class[mask]

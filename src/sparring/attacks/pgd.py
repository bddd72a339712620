"""FGSM and PGD: steps in the steepest direction of the norm, each projected back onto the feasible set."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState, check_budget, running_attack
from sparring.attacks.losses import Loss, ce
from sparring.attacks.norms import length, unsqueeze_like
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.seeds import mix


def fgsm(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    loss: Loss = ce,
    seed: int = 0,
) -> Result:
    """Take one step of length eps from x `[B, ...]`: the fast gradient sign method (Goodfellow et al. 2015, section 4).

    In norms other than Linf the step goes in the steepest direction of that norm.
    """
    return pgd(model, x, y, threat, target=target, loss=loss, steps=1, step=1.0, random_start=False, seed=seed)


def pgd(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    loss: Loss = ce,
    steps: int = 40,
    step: float | None = None,
    momentum: float = 0.0,
    restarts: int = 1,
    random_start: bool = True,
    eot: int = 1,
    seed: int = 0,
) -> Result:
    """Run projected gradient descent on x `[B, ...]` (Madry et al. 2018, section 2.1).

    `step` is the step length as a fraction of eps, by default 2.5 / steps. With `momentum` it is MI-FGSM (Dong et al.
    2018, Eq. 6). Each restart begins at a random point; without `random_start` the first begins at x. A row leaves the
    batch at the step at which it is misclassified. `eot` passes are averaged at each point, for stochastic models.
    """
    check_budget(steps=steps, restarts=restarts, eot=eot)
    step_fraction = 2.5 / steps if step is None else step
    with running_attack(model, x, y, threat, target=target, seed=seed, eot=eot) as state:
        for restart in range(restarts):
            generator = torch.Generator().manual_seed(mix(seed, restart))
            start = state.region.random_point(generator) if random_start or restart else x
            if not len(state.unbroken_idx):
                break
            _ascend(state, start[state.unbroken_idx], loss, steps, step_fraction, momentum, restart * steps)
        return state.result()


def _ascend(
    state: AttackState, x_adv: Tensor, loss: Loss, steps: int, step_fraction: float, momentum: float, first_step: int
) -> None:
    """Ascend from `x_adv` `[R, ...]`, one point per unbroken row; `first_step` counts the steps of earlier restarts."""
    idx = state.unbroken_idx
    region, velocity = state.region.select(idx), torch.zeros_like(x_adv)
    for step in range(steps + 1):
        x_proj = region.round_discrete(x_adv)
        if step == steps:
            state.record(x_proj, state.logits(x_proj, idx), idx, first_step + step)
            return
        logits, _, gradient = state.gradient(x_proj, idx, loss)
        unbroken = ~state.record(x_proj, logits, idx, first_step + step)
        if not unbroken.all():
            idx, region, x_adv = idx[unbroken], region.select(unbroken), x_adv[unbroken]
            gradient, velocity = gradient[unbroken], velocity[unbroken]
            if not len(idx):
                return
        if momentum:
            unit_gradient = gradient / unsqueeze_like(length("L1", gradient), gradient).clamp(min=1e-12)
            velocity = momentum * velocity + unit_gradient
            gradient = velocity
        # L0 has no length: its steps are fractions of the widest range of any entry of the row
        reach = region.eps if region.norm != "L0" else length("Linf", region.high - region.low)
        x_adv = region.ascend(x_adv, gradient, step_fraction * reach)

"""FGSM and PGD: up the steepest direction of the norm, back into the region, again."""

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
    """One step of the whole radius from the data: the fast gradient sign method (Goodfellow et al. 2015, section 4).

    In other norms than Linf the step goes in that norm's own steepest direction.
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
    """Projected gradient descent (Madry et al. 2018, section 2.1); with `momentum`, MI-FGSM (Dong et al. 2018, Eq. 6).

    `step` is the length of a step as a share of eps, by default 2.5 / steps. Each restart begins at a random point, or
    the first one at the data if not `random_start`. A row leaves the batch at the step at which it breaks. `eot` passes
    are averaged at each point, for models that draw random numbers.
    """
    check_budget(steps=steps, restarts=restarts, eot=eot)
    share = 2.5 / steps if step is None else step
    with running_attack(model, x, y, threat, target=target, seed=seed, eot=eot) as state:
        for restart in range(restarts):
            generator = torch.Generator().manual_seed(mix(seed, restart))
            start = state.region.random_point(generator) if random_start or restart else x
            if not len(state.unbroken_idx):
                break
            _ascend(state, start[state.unbroken_idx], loss, steps, share, momentum, restart * steps)
        return state.result()


def _ascend(state: AttackState, at: Tensor, loss: Loss, steps: int, share: float, momentum: float, before: int) -> None:
    """Climb from `at` `[R, ...]`, for the rows that stand, after `before` steps in earlier restarts."""
    rows = state.unbroken_idx
    region, velocity = state.region.select(rows), torch.zeros_like(at)
    for iteration in range(steps + 1):
        seen = region.round_discrete(at)
        if iteration == steps:
            state.record(seen, state.logits(seen, rows), rows, before + iteration)
            return
        logits, _, gradient = state.gradient(seen, rows, loss)
        stands = ~state.record(seen, logits, rows, before + iteration)
        if not stands.all():
            rows, region, at = rows[stands], region.select(stands), at[stands]
            gradient, velocity = gradient[stands], velocity[stands]
            if not len(rows):
                return
        if momentum:
            velocity = momentum * velocity + gradient / unsqueeze_like(length("L1", gradient), gradient).clamp(
                min=1e-12
            )
            gradient = velocity
        stride = share * (region.eps if region.norm != "L0" else _widest(region.high - region.low))
        at = region.clip(at + unsqueeze_like(stride, at) * region.steepest(gradient, at))


def _widest(room: Tensor) -> Tensor:
    """The range of the freest entry of each row, `[B]`: L0 has no length, so its steps are shares of this."""
    return length("Linf", room)

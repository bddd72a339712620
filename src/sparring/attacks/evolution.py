"""An evolution strategy that climbs the margin without gradients (Ilyas et al. 2018, arXiv:1804.08598, section 2.1).

It is for models whose scores are steps, such as ensembles of trees, where a gradient is 0 almost everywhere: its
perturbations are wide enough to cross the steps. Ranks in place of values keep large steps from ruling (Salimans et al.
2017). All rows share the perturbations of a step, so a row's result does not depend on the rest of the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState, check_budget, running_attack
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix

MOMENTUM = 0.7
"""Part of the estimate of the last step that is kept."""


def evolution(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    steps: int = 30,
    pairs: int = 5,
    sigma: float = 0.5,
    restarts: int = 1,
    seed: int = 0,
) -> Result:
    """Estimate the ascent of the margin from `pairs` antithetic perturbations, and follow it for `steps` steps.

    A perturbation goes `sigma` times as far as the threat model allows, and is projected into it: every evaluated
    point is an attack of its own. A step costs 2 `pairs` passes. A row leaves when it is misclassified. Linf and L2.
    On trees `square` breaks more rows in as many passes (benchmarks/evolution.py).
    """
    if threat.norm not in ("Linf", "L2"):
        raise UsageError(f"evolution does not support {threat.norm}: use pgd, or greedy, which needs no gradient")
    check_budget(steps=steps, pairs=pairs, restarts=restarts)
    if not sigma > 0:
        raise UsageError(f"sigma, the length of a perturbation as a part of eps, must be above 0, not {sigma}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        for restart in range(restarts):
            if len(state.unbroken_idx):
                _search(state, steps, pairs, sigma, mix(seed, restart), first_step=restart * steps)
        return state.result()


def _search(state: AttackState, steps: int, pairs: int, sigma: float, seed: int, first_step: int) -> None:
    """Search on all unbroken rows; the first search starts at the data, later ones at random points."""
    idx = state.unbroken_idx
    region = state.region.select(idx)
    generator = torch.Generator().manual_seed(seed)
    centre = region.x.clone()
    if first_step:
        noise = torch.randn(region.x.shape[1:], generator=generator).to(centre)
        centre = region.ascend(centre, noise.expand_as(centre), region.eps)
    direction = torch.zeros_like(centre)
    for step in range(1, steps + 1):
        noise = torch.randn(pairs, *centre.shape[1:], generator=generator).to(centre)
        margins = torch.empty(2, pairs, len(idx), device=centre.device, dtype=centre.dtype)
        for k in range(pairs):
            for side, sign in enumerate((1, -1)):
                along = (sign * noise[k]).expand_as(centre)
                points = region.round_discrete(region.ascend(centre, along, sigma * region.eps))
                logits = state.logits(points, idx)
                margins[side, k] = state.margins(logits, idx)
                state.record(points, logits, idx, first_step + step)
        ranks = margins.flatten(0, 1).argsort(0).argsort(0).to(centre).view(2, pairs, -1)
        estimate = torch.einsum("kr,k...->r...", ranks[0] - ranks[1], noise)
        direction = MOMENTUM * direction + estimate
        length = sigma * region.eps * (1 - (step - 1) / steps)
        centre = region.ascend(centre, direction, length)
        unbroken = ~state.success[idx]
        idx, region = idx[unbroken], region.select(unbroken)
        centre, direction = centre[unbroken], direction[unbroken]
        if not len(idx):
            return
    points = region.round_discrete(centre)
    state.record(points, state.logits(points, idx), idx, first_step + steps)

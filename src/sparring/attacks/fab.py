"""The fast adaptive boundary attack (Croce and Hein 2020b, "Minimally distorted adversarial examples", Algorithm 1).

It walks along the decision boundary towards the data. We ask it whether the boundary comes nearer than eps, so a row
leaves at the step at which it does; the walk until then is the paper's.
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
"""The most that a step is drawn towards the data, by how much it oversteps the boundary, and how far it then goes back."""
DUAL: dict[Norm, Norm] = {"Linf": "L1", "L2": "L2", "L1": "Linf"}


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
    """Look for the nearest point beyond the decision boundary, and succeed where it is no farther than eps.

    By default towards the nearest of all classes, with a backward pass a class; with `targets` towards each of so many
    wrong classes, the likeliest first, with one (FAB-T). The first restart begins at the data. Linf, L2 and L1.
    """
    if threat.norm == "L0":
        raise UsageError("fab knows no L0: take pgd")
    check_budget(steps=steps, restarts=restarts, n_targets=n_targets, target=target)
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        unbounded = threat.around(x, ball=False)
        generator = torch.Generator().manual_seed(mix(seed))
        for run in range(restarts):
            for rows, aim in state.groups(n_targets, 1):
                region, at = unbounded.select(rows), x[rows]
                if run:
                    at = (at + state.region.select(rows).random_point(generator)) / 2
                _walk(state, rows, aim, region, at, steps, run * steps)
        return state.result()


def _walk(
    state: AttackState, rows: Tensor, aim: Tensor | None, region: FeasibleSet, at: Tensor, steps: int, before: int
) -> None:
    """Along the boundary from `at` `[P, ...]`, after `before` steps in earlier restarts."""
    for step in range(steps + 1):
        seen = region.round_discrete(at)
        if step == steps:
            logits = state.logits(seen, rows)
        else:
            logits, gap, normal = _boundary(state, seen, rows, aim)
        near = length(region.norm, seen - region.x) <= state.region.eps[rows]
        state.record(seen[near], logits[near], rows[near], before + step)
        if step == steps:
            return
        beyond = state.succeeds(logits, rows) & ~state.broken[rows]
        if beyond.any():  # too far away: go back, and look anew from there
            back = region.x[beyond] + BETA * (at[beyond] - region.x[beyond])
            at = at.index_put((beyond,), back)
            again = _boundary(state, region.select(beyond).round_discrete(back), rows[beyond], _pick(aim, beyond))
            gap, normal = gap.index_put((beyond,), again[1]), normal.index_put((beyond,), again[2])
        stands = ~state.broken[rows]
        if not stands.all():
            rows, aim, region, at = rows[stands], _pick(aim, stands), region.select(stands), at[stands]
            gap, normal = gap[stands], normal[stands]
            if not len(rows):
                return
        at = _step(region, at, gap, normal)


def _step(region: FeasibleSet, at: Tensor, gap: Tensor, normal: Tensor) -> Tensor:
    """Eqs. 9 to 11: onto the boundary, linearised at `at`, from there and from the data, and between the two."""
    x = region.x
    w, offset = normal.flatten(1), (at - x).flatten(1)
    low, high = (region.low - x).flatten(1), (region.high - x).flatten(1)
    change = project_onto_hyperplane(
        region.norm,
        torch.cat([w, w]),
        torch.cat([-gap, (w * offset).sum(1) - gap]),
        torch.cat([low - offset, low]),
        torch.cat([high - offset, high]),
    )
    far = length(region.norm, change).clamp(min=1e-8)
    here, there = change.view(2, *at.shape)
    alpha = unsqueeze_like((far[: len(at)] / (far[: len(at)] + far[len(at) :])).clamp(max=ALPHA_MAX), at)
    return region.clip((1 - alpha) * (at + ETA * here) + alpha * (x + ETA * there))


def _boundary(state: AttackState, at: Tensor, rows: Tensor, aim: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, and the decision boundary near `at`: the difference of logits `[P]`, above 0 beyond it, and its gradient."""
    if aim is not None:
        return state.gradient(at, rows, _difference, aim)
    if state.target is not None:
        return state.gradient(at, rows, margin)
    logits, slopes = state.jacobian(at, rows)
    label = state.y[rows][:, None]
    gaps = logits - logits.gather(1, label)
    normals = slopes - slopes.take_along_dim(unsqueeze_like(label.squeeze(1), slopes), 1)
    norm = DUAL[state.threat.norm]
    dual = length(norm, normals.flatten(0, 1)).view_as(gaps)
    nearest = (gaps.abs() / (dual + 1e-12)).scatter(1, label, torch.inf).argmin(1, keepdim=True)
    normal = normals.take_along_dim(unsqueeze_like(nearest.squeeze(1), normals), 1).squeeze(1)
    return logits, gaps.gather(1, nearest).squeeze(1), normal


def _difference(logits: Tensor, y: Tensor, target: Tensor | None) -> Tensor:
    assert target is not None
    return (logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])).squeeze(1)


def _pick(aim: Tensor | None, which: Tensor) -> Tensor | None:
    return None if aim is None else aim[which]

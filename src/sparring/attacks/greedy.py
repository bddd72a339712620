"""A greedy search for few changed columns: it repeats the single change that raises the margin most, without gradients.

It is for tables. Their models may be trees, and a gradient step on a one-hot column ends between categories.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState, best_per_row, check_budget, running_attack
from sparring.attacks.feasible_set import FeasibleSet
from sparring.attacks.norms import length
from sparring.attacks.result import Result
from sparring.attacks.tabular_constraints import SLACK
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError

CHUNK_POINTS = 4096
"""Points per forward pass."""


def greedy(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    steps: int = 100,
    values: int = 8,
    seed: int = 0,
) -> Result:
    """Change one column of x `[B, F]` at a time, at most `steps` times, to the value that raises the margin most.

    A number is tried at `values` values, evenly spaced over its feasible range. A one-hot group is tried at each
    category, which counts as one change, and as two entries of L0. A row leaves when it is misclassified, or when no
    single change raises its margin. `seed` matters to stochastic models only.
    """
    check_budget(steps=steps)
    if values < 2:
        raise UsageError(f"values must be 2 or more (the lowest and the highest), not {values}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        idx = state.unbroken_idx
        region, x_adv, best = state.region.select(idx), x[idx], state.margins(state.clean_logits[idx], idx)
        for step in range(1, steps + 1):
            x_adv, logits, margins = _best_change(state, region, x_adv, idx, values)
            active = margins > best
            active[active.clone()] = ~state.record(x_adv[active], logits[active], idx[active], step)
            if not active.any():
                break
            idx, region, x_adv, best = idx[active], region.select(active), x_adv[active], margins[active]
        return state.result()


def _best_change(
    state: AttackState, region: FeasibleSet, x_adv: Tensor, idx: Tensor, values: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the point, logits and margin of each row's best single change, `[R, ...]`; margin -inf: none allowed."""
    changes = [_number_changes(region, x_adv, values), *_category_changes(region, x_adv)]
    x_best, logits = x_adv.clone(), state.clean_logits[idx]
    best = torch.full_like(region.eps, -torch.inf)
    for row, column, value in (
        chunk
        for change in changes
        for chunk in zip(*(torch.split(tensor, CHUNK_POINTS) for tensor in change), strict=True)
    ):
        points = _apply(region, x_adv, row, column, value)
        within = length(region.norm, points - region.x[row]) <= region.eps[row] * (1 + 1e-6)
        row, points = row[within], points[within]
        if not len(row):
            continue
        new_logits = state.logits(points, idx[row])
        margins = state.margins(new_logits, idx[row])
        kept = best_per_row(row, margins > best[row], margins)
        x_best[row[kept]], logits[row[kept]], best[row[kept]] = points[kept], new_logits[kept], margins[kept]
    return x_best, logits, best


_Changes = tuple[Tensor, Tensor, Tensor]
"""Row, column and new value of each candidate change; all `[M]`."""


def _number_changes(region: FeasibleSet, x_adv: Tensor, values: int) -> _Changes:
    """Return the candidate changes of all columns outside one-hot groups."""
    x, current = region.x.flatten(1), x_adv.flatten(1)
    reach = _reach(region, current - x)
    low, high = torch.maximum(region.low.flatten(1), x - reach), torch.minimum(region.high.flatten(1), x + reach)
    if not (torch.isfinite(low) & torch.isfinite(high)).all():
        raise UsageError("greedy tries values between bounds, and a column has none: give Threat(..., low=, high=)")
    candidates = torch.lerp(low[..., None], high[..., None], torch.linspace(0, 1, values).to(x))
    integer = list(region.columns.integer)
    bounds = (low[:, integer, None] - SLACK).ceil(), (high[:, integer, None] + SLACK).floor()
    candidates[:, integer] = candidates[:, integer].round().clamp(*bounds)
    new = candidates != current[..., None]
    new[..., 1:] &= candidates[..., 1:] != candidates[..., :-1]
    new[:, [column for group in region.columns.one_hot for column in group]] = False
    row, column, k = new.nonzero(as_tuple=True)
    return row, column, candidates[row, column, k]


def _category_changes(region: FeasibleSet, x_adv: Tensor) -> Iterator[_Changes]:
    """Yield the candidate changes of each one-hot group."""
    for group in map(list, region.columns.one_hot):
        low, high = region.low[:, group], region.high[:, group]
        fixed_others = (low > SLACK).sum(1, keepdim=True) - (low > SLACK).long()  # other columns that must stay 1
        row, choice = ((high >= 1 - SLACK) & (fixed_others == 0) & (x_adv[:, group] == 0)).nonzero(as_tuple=True)
        yield row, torch.tensor(group, device=x_adv.device)[choice], torch.ones_like(row).to(x_adv)


def _apply(region: FeasibleSet, x_adv: Tensor, row: Tensor, column: Tensor, value: Tensor) -> Tensor:
    """Return the changed points, `[M, ...]`; a changed one-hot column sets the others of its group to 0."""
    points = x_adv.flatten(1)[row]
    for group in map(list, region.columns.one_hot):
        points[torch.isin(column, torch.tensor(group, device=x_adv.device)).nonzero(), group] = 0
    points[torch.arange(len(row), device=x_adv.device), column] = value
    return points.view(-1, *x_adv.shape[1:])


def _reach(region: FeasibleSet, delta: Tensor) -> Tensor:
    """Return how far from x each entry may move, `[R, F]`, given the changes `delta` of the others."""
    own, eps = delta.abs(), region.eps[:, None]
    if region.norm == "Linf":
        return eps.expand_as(own)
    if region.norm == "L1":
        return (eps - own.sum(1, keepdim=True) + own).clamp(min=0)
    if region.norm == "L2":
        return (eps.square() - own.square().sum(1, keepdim=True) + own.square()).clamp(min=0).sqrt()
    free = (own > 0).sum(1, keepdim=True) - (own > 0).long() < eps
    return torch.where(free, torch.inf, torch.zeros_like(own))

"""A greedy search for few changed columns: whatever single change helps most, again and again. It needs no gradients.

For tables, whose models may be trees, and whose columns may be words: there a step along a gradient leads to a third of a word.
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

POINTS = 4096
"""In one pass."""


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
    """Change one column at a time, at most `steps` times: to that of all values it may take which raises the margin most.

    A number may take `values` values, evenly from the lowest to the highest that it can reach; a one-hot group each of its
    categories, which is one change, and two entries of L0. A row leaves where it breaks, or where no single change raises
    its margin. Nothing is drawn: `seed` is for models that draw random numbers.
    """
    check_budget(steps=steps)
    if values < 2:
        raise UsageError(f"values must be 2 or more (the lowest and the highest), not {values}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        rows = state.unbroken_idx
        region, at, best = state.region.select(rows), x[rows], state.margins(state.clean[rows], rows)
        for step in range(1, steps + 1):
            at, logits, gains = _best(state, region, at, rows, values)
            better = gains > best
            better[better.clone()] = ~state.record(at[better], logits[better], rows[better], step)
            if not better.any():
                break
            rows, region, at, best = rows[better], region.select(better), at[better], gains[better]
        return state.result()


def _best(
    state: AttackState, region: FeasibleSet, at: Tensor, rows: Tensor, values: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The best single change of each row `[R, ...]`: where it leads, the logits there, the margin (-inf: there is none)."""
    moves = [_numbers(region, at, values), *_categories(region, at)]
    ahead, logits = at.clone(), state.clean[rows]
    best = torch.full_like(region.eps, -torch.inf)
    for row, place, value in (
        part for move in moves for part in zip(*(torch.split(each, POINTS) for each in move), strict=True)
    ):
        points = _points(region, at, row, place, value)
        near = length(region.norm, points - region.x[row]) <= region.eps[row] * (1 + 1e-6)
        row, points = row[near], points[near]
        if not len(row):
            continue
        seen = state.logits(points, rows[row])
        margins = state.margins(seen, rows[row])
        kept = best_per_row(row, margins > best[row], margins)
        ahead[row[kept]], logits[row[kept]], best[row[kept]] = points[kept], seen[kept], margins[kept]
    return ahead, logits, best


_Moves = tuple[Tensor, Tensor, Tensor]
"""Rows, entries of these, and what each of these becomes; all `[M]`."""


def _numbers(region: FeasibleSet, at: Tensor, values: int) -> _Moves:
    """What all entries may become that are no part of a word."""
    x, now = region.x.flatten(1), at.flatten(1)
    room = _room(region, now - x)
    low, high = torch.maximum(region.low.flatten(1), x - room), torch.minimum(region.high.flatten(1), x + room)
    if not (torch.isfinite(low) & torch.isfinite(high)).all():
        raise UsageError("greedy tries values from the lowest to the highest: name them by Threat(..., low=, high=)")
    reached = torch.lerp(low[..., None], high[..., None], torch.linspace(0, 1, values).to(x))
    whole = list(region.columns.integer)
    ends = (low[:, whole, None] - SLACK).ceil(), (high[:, whole, None] + SLACK).floor()
    reached[:, whole] = reached[:, whole].round().clamp(*ends)
    new = reached != now[..., None]
    new[..., 1:] &= reached[..., 1:] != reached[..., :-1]
    new[:, [column for group in region.columns.one_hot for column in group]] = False
    row, place, k = new.nonzero(as_tuple=True)
    return row, place, reached[row, place, k]


def _categories(region: FeasibleSet, at: Tensor) -> Iterator[_Moves]:
    """What each one-hot group may become."""
    for group in map(list, region.columns.one_hot):
        low, high = region.low[:, group], region.high[:, group]
        held = (low > SLACK).sum(1, keepdim=True) - (low > SLACK).long()  # others that must stay 1
        row, choice = ((high >= 1 - SLACK) & (held == 0) & (at[:, group] == 0)).nonzero(as_tuple=True)
        yield row, torch.tensor(group, device=at.device)[choice], torch.ones_like(row).to(at)


def _points(region: FeasibleSet, at: Tensor, row: Tensor, place: Tensor, value: Tensor) -> Tensor:
    """Where moves lead, `[M, ...]`; an entry that becomes 1 takes the place of its group's other one."""
    points = at.flatten(1)[row]
    for group in map(list, region.columns.one_hot):
        points[torch.isin(place, torch.tensor(group, device=at.device)).nonzero(), group] = 0
    points[torch.arange(len(row), device=at.device), place] = value
    return points.view(-1, *at.shape[1:])


def _room(region: FeasibleSet, change: Tensor) -> Tensor:
    """How far from x each entry may be, `[R, F]`, while the others have changed as they have."""
    own, eps = change.abs(), region.eps[:, None]
    if region.norm == "Linf":
        return eps.expand_as(own)
    if region.norm == "L1":
        return (eps - own.sum(1, keepdim=True) + own).clamp(min=0)
    if region.norm == "L2":
        return (eps.square() - own.square().sum(1, keepdim=True) + own.square()).clamp(min=0).sqrt()
    free = (own > 0).sum(1, keepdim=True) - (own > 0).long() < eps
    return torch.where(free, torch.inf, torch.zeros_like(own))

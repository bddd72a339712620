"""Attacks by orders: the steepest orders of a given cost, a search along rays, orders at random, and causal plans.

Inputs are `[B, 9, T]` and threats those of `tradable_changes.orders_threat`; models map inputs to logits `[B, 2]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState, check_budget, running_attack
from sparring.attacks.losses import margin
from sparring.attacks.norms import length, unsqueeze_like
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.tradable_changes import BAR_ENTRIES, ORDERS
from sparring.attacks.validation import Model, frozen
from sparring.engine.seeds import mix


def steepest_orders(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    steps: int = 8,
    restarts: int = 2,
    eot: int = 1,
    seed: int = 0,
) -> Result:
    """Raise the margin as far as orders of this cost can, for x `[B, 9, T]` with labels y `[B]`.

    Projected gradient ascent in L2. The first step may cross the ball, and their lengths fall to 0. It goes on after
    the model is wrong, so that the orders also turn models that are like it. The first run begins without orders,
    others at random ones, since the volume of an order has no slope at 0.
    """
    check_budget(steps=steps, restarts=restarts, eot=eot)
    with running_attack(model, x, y, threat, seed=seed, eot=eot) as state:
        for restart in range(restarts):
            generator = torch.Generator().manual_seed(mix(seed, restart))
            _ascend(state, random_orders(x, threat, generator) if restart else x, steps)
        return state.result()


def _ascend(state: AttackState, points: Tensor, steps: int) -> None:
    idx = torch.arange(len(points), device=points.device)
    for step in range(steps):
        logits, _, gradient = state.gradient(points, idx, margin)
        state.record(points, logits, idx, step)
        points = state.region.ascend(points, gradient, 2 * state.region.eps * (1 - step / steps))
    state.record(points, state.logits(points, idx), idx, steps)


def ray_search(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    directions: Tensor,
    sizes: Sequence[float],
    *,
    eot: int = 1,
    seed: int = 0,
) -> Result:
    """Try orders along `directions` `[D, 9, T]` of unit length, from the cheapest size on; no gradients.

    `sizes` are fractions of the radius, up to 1. For a rule of the last close, whose two directions are up and down,
    the search is exact to the distance of two sizes. `distance` of the result is the smallest that broke.
    """
    nearest = torch.full_like(x[:, 0, 0], torch.inf)
    with running_attack(model, x, y, threat, seed=seed, eot=eot) as state:
        best = x.clone()
        for size in sorted(sizes):
            for direction in directions:
                idx = torch.isinf(nearest).nonzero().squeeze(1)
                if not len(idx):
                    break
                region = state.region.select(idx)
                points = region.clip(x[idx] + unsqueeze_like(size * region.eps, x) * direction)
                logits = state.logits(points, idx)
                state.record(points, logits, idx, 1)
                hits = state.is_adversarial(logits, idx)
                nearest[idx[hits]], best[idx[hits]] = length("L2", points[hits] - x[idx[hits]]), points[hits]
        turned = torch.isfinite(nearest)
        state.adv = torch.where(unsqueeze_like(turned, x), best, state.adv)
        return state.result()


def random_orders(x: Tensor, threat: Threat, generator: torch.Generator) -> Tensor:
    """Draw orders of exactly the cost that the threat allows, in a uniform direction, `[B, 9, T]`; `generator`: CPU."""
    region = threat.around(x)
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    noise = torch.where(region.low == x, noise.abs(), torch.where(region.high == x, -noise.abs(), noise))
    noise = torch.where(region.low == region.high, 0, noise)
    return x + noise * unsqueeze_like(region.eps / length("L2", noise).clamp(min=1e-12), x)


def order_directions(x: Tensor, bars: int, kinds: Sequence[str] = ORDERS) -> Tensor:
    """Return unit directions for `ray_search` on x `[B, 9, T]`, `[D, 9, T]`.

    Each order alone at the last bar, the close with each other order, and the close over all of the last `bars`.
    """
    signs = {"close": (1.0, -1.0), "high": (1.0,), "low": (-1.0,), "volume": (1.0,)}
    single = [(BAR_ENTRIES + ORDERS.index(kind), sign) for kind in kinds for sign in signs[kind]]
    closes = [pair for pair in single if pair[0] == BAR_ENTRIES]
    lists = [[pair] for pair in single] + [
        [first, other] for first in closes for other in single if other[0] > first[0]
    ]
    directions = []
    for pairs in lists:
        direction = x.new_zeros(x.shape[1:])
        for place, sign in pairs:
            direction[place, -1] = sign
        directions.append(direction)
    for place, sign in closes if bars > 1 else []:
        direction = x.new_zeros(x.shape[1:])
        direction[place, -bars:] = sign
        directions.append(direction)
    return torch.stack([direction / direction.norm() for direction in directions])


def causal_orders(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    bars: int,
    steps: int = 8,
    restarts: int = 2,
    eot: int = 1,
    seed: int = 0,
) -> Result:
    """Plan orders over the last `bars` bars, each chosen from what is known at its bar; x `[B, 9, T]`, labels y `[B]`.

    At each bar the plan is made again: bars to come are taken to stay at the last close with the average volume, and
    only the orders of the bar at hand are placed (receding horizon). The plan turns the label that this forecast has
    at first. At the last bar, when everything is known, it turns `y` with what is left of the radius.
    """
    check_budget(bars=bars)
    if bars == 1:
        return steepest_orders(model, x, y, threat, steps=steps, restarts=restarts, eot=eot, seed=seed)
    adv, planned = x.clone(), y
    for left in range(bars - 1, -1, -1):
        known = forecast(adv, left)
        if left == bars - 1:
            with torch.no_grad(), frozen(model, seed):
                planned = model(known).argmax(1)
        place = x.shape[2] - 1 - left
        stage = _stage(threat, adv, x, place)
        labels = planned if left else y
        result = steepest_orders(model, known, labels, stage, steps=steps, restarts=restarts, eot=eot, seed=seed)
        adv[:, BAR_ENTRIES:, place] = result.adv[:, BAR_ENTRIES:, place]
    return replace(result, adv=adv, distance=threat.distance(adv, x).masked_fill(~result.success, torch.inf))


def _stage(threat: Threat, adv: Tensor, x: Tensor, place: int) -> Threat:
    """Return the threat of the orders from bar `place` on, with the radius that those in `adv` leave of `x`'s."""
    mask = torch.zeros_like(x[0]) + (1.0 if threat.mask is None else threat.mask)
    mask[:, :place] = 0
    left = (torch.as_tensor(threat.eps).to(x) ** 2 - threat.distance(adv, x) ** 2).clamp(min=0).sqrt()
    return replace(threat, eps=left, mask=mask)


def forecast(x: Tensor, unknown: int) -> Tensor:
    """Return x `[B, 9, T]` with the last `unknown` bars at the close before them and the mean volume of all before."""
    if not unknown:
        return x.clone()
    known = x.shape[2] - unknown
    flat = x.clone()
    flat[:, :4, known:] = x[:, 3:4, known - 1 : known]
    flat[:, 4, known:] = x[:, 4, :known].mean(1, keepdim=True)
    return flat

"""The cheapest orders that turn a signal: all searches at several costs, and of each row the cheapest success."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sparring.attacks.norms import unsqueeze_like
from sparring.attacks.order_attacks import causal_orders, order_directions, ray_search
from sparring.attacks.result import Result
from sparring.attacks.tradable_changes import ORDERS, Market, orders_threat
from sparring.attacks.validation import Model

SIZES = 12
"""Sizes of orders along each ray: geometric, from the smallest level on."""


def cheapest_orders(
    model: Model,
    x: Tensor,
    y: Tensor,
    market: Market,
    levels: Sequence[float],
    *,
    gradients: bool = True,
    kinds: tuple[str, ...] = ORDERS,
    eot: int = 1,
    seed: int = 0,
) -> Result:
    """Search for the cheapest orders on x `[B, 9, T]` that turn the class y `[B]`; `levels` are participations, rising.

    Rays need no gradients. With `gradients`, the steepest orders at each level follow, planned causally where there are
    several bars. `distance` of the result, squared, is the participation of each row's cheapest success.
    """
    threat = orders_threat(x, market, levels[-1], kinds=kinds)
    low = (levels[0] / levels[-1]) ** 0.5 / 3
    sizes = sorted({*torch.logspace(torch.tensor(low).log10().item(), 0, SIZES).tolist(), *_radii(levels)})
    directions = order_directions(x, market.bars, kinds)
    best = ray_search(model, x, y, threat, directions, [size for size in sizes if size <= 1], eot=eot, seed=seed)
    for level in levels if gradients else ():
        at_level = orders_threat(x, market, level, kinds=kinds)
        best = _cheaper(best, causal_orders(model, x, y, at_level, bars=market.bars, eot=eot, seed=seed))
    return best


def _radii(levels: Sequence[float]) -> list[float]:
    return [(level / levels[-1]) ** 0.5 for level in levels]


def _cheaper(first: Result, second: Result) -> Result:
    """Return of each row the result with the smaller distance, and the larger margin where neither succeeded."""
    neither = torch.isinf(first.distance) & torch.isinf(second.distance)
    better = (second.distance < first.distance) | (neither & (second.loss > first.loss))
    picked = {
        name: torch.where(unsqueeze_like(better, getattr(first, name)), getattr(second, name), getattr(first, name))
        for name in ("adv", "success", "iterations", "loss", "distance")
    }
    return replace(
        first, **picked, queries=first.queries + second.queries, gradients=first.gradients + second.gradients
    )

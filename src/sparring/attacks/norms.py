"""Geometry of the four norms: lengths, and exact projections onto what is both in a ball and between bounds.

Tensors are `[B, ...]`, a point a row; lengths and radii are `[B]`. A perturbation `delta` has bounds low <= 0 <= high,
each `[B, ...]`, so that no change at all is always allowed.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["Linf", "L2", "L1", "L0"]
NORMS: tuple[Norm, ...] = ("Linf", "L2", "L1", "L0")


def length(norm: Norm, delta: Tensor) -> Tensor:
    """The norm of each row, `[B]`; L0 counts the entries that are not 0."""
    flat = delta.flatten(1)
    if norm == "Linf":
        return flat.abs().amax(1)
    if norm == "L2":
        return flat.square().sum(1).sqrt()
    if norm == "L1":
        return flat.abs().sum(1)
    return (flat != 0).sum(1).to(delta.dtype)


def unsqueeze_like(value: Tensor, like: Tensor) -> Tensor:
    """`[B]` -> `[B, 1, ...]`, to be broadcast against `like` `[B, ...]`."""
    return value.reshape(-1, *[1] * (like.dim() - 1))


def project(norm: Norm, delta: Tensor, radius: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The nearest to `delta` (in L2) of all perturbations between `low` and `high` with a norm of at most `radius`."""
    inside = delta.clamp(low, high)
    if norm == "Linf":
        reach = unsqueeze_like(radius, delta)
        return inside.clamp(-reach, reach)
    over = length(norm, inside) > radius
    if not over.any():
        return inside
    wanted, radius = delta[over].flatten(1), radius[over]
    room = torch.where(wanted > 0, high[over].flatten(1), -low[over].flatten(1))  # towards where it wants to go
    shrink = {"L2": _onto_l2, "L1": _onto_l1, "L0": _onto_l0}[norm]
    moved = shrink(wanted.abs(), room, radius).copysign(wanted)
    inside[over] = moved.view_as(inside[over])
    return inside


def _onto_l2(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """min(s size, room) with the s in [0, 1] for which it is as long as `radius`: the KKT conditions, by sorting."""
    stop = torch.where(size > 0, room / size.clamp(min=torch.finfo(size.dtype).tiny), 0)  # the s that uses up the room
    stop, order = stop.sort(1)
    full = room.gather(1, order).square().cumsum(1)  # of those with no room left
    squares = size.gather(1, order).square()
    free = squares.flip(1).cumsum(1).flip(1)  # of this one and those after it: no difference of like numbers
    before = torch.cat([full.new_zeros(len(full), 1), full[:, :-1]], 1)
    at_stop = before + stop.square() * free
    first = (at_stop < radius.square()[:, None]).sum(1, keepdim=True).clamp(max=size.shape[1] - 1)
    left = (radius.square()[:, None] - before.gather(1, first)).clamp(min=0)
    s = (left / free.gather(1, first).clamp(min=torch.finfo(size.dtype).tiny)).sqrt()
    return torch.minimum(s * size, room)


def _onto_l1(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """min(max(size - t, 0), room) with the t >= 0 for which it sums to `radius`: piecewise linear in t, by sorting."""
    ends, order = torch.cat([size, size - room], 1).sort(1, descending=True)
    starts = order < size.shape[1]  # coming from large t: an entry starts to grow at t = size, and stops at size - room
    slope = torch.where(starts, 1, -1).cumsum(1).to(size.dtype)
    steps = slope[:, :-1] * (ends[:, :-1] - ends[:, 1:])
    total = torch.cat([steps.new_zeros(len(steps), 1), steps.cumsum(1)], 1)  # the sum at each of `ends`
    last = ((total < radius[:, None]).sum(1, keepdim=True) - 1).clamp(min=0)
    t = ends.gather(1, last) - (radius[:, None] - total.gather(1, last)) / slope.gather(1, last).clamp(min=1)
    return torch.minimum((size - t).clamp(min=0), room)


def _onto_l0(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """The entries whose change is worth most are kept, as far as they may go; the others are 0."""
    moved = torch.minimum(size, room)
    gain = size.square() - (size - moved).square()
    rank = gain.argsort(1, descending=True).argsort(1)
    return moved * (rank < radius[:, None])


def project_onto_hyperplane(norm: Norm, normal: Tensor, gap: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The shortest change d (Linf, L2 or L1) with <normal, d> = gap, between `low` and `high`; all `[N, n]`, gap `[N]`.

    Where the bounds keep it from getting there, as far as they let it (Croce and Hein 2020b, FAB, Eq. 6 and appendix).
    """
    normal, gap = normal * unsqueeze_like(gap.sign(), normal), gap.abs()[:, None]
    size = normal.abs()
    room = torch.where(normal > 0, high, -low) * (size > 0)
    tiny = torch.finfo(size.dtype).tiny
    if norm == "L1":  # the steepest entries first, each as far as it may go
        slope, order = size.sort(1, descending=True)
        may = room.gather(1, order)
        gained = (slope * may).cumsum(1)
        before = torch.cat([gained.new_zeros(len(gained), 1), gained[:, :-1]], 1)
        taken = torch.minimum(((gap - before) / slope.clamp(min=tiny)).clamp(min=0), may)
        change = torch.zeros_like(size).scatter_(1, order, taken)
    else:  # min(t speed, room), with the t at which they get there
        speed = size if norm == "L2" else (size > 0).to(size.dtype)
        stop, order = torch.where(speed > 0, room / speed.clamp(min=tiny), 0).sort(1)
        gained = (size * room).gather(1, order).cumsum(1)
        before = torch.cat([gained.new_zeros(len(gained), 1), gained[:, :-1]], 1)
        rate = (size * speed).gather(1, order).flip(1).cumsum(1).flip(1)  # of those still moving
        first = (before + stop * rate < gap).sum(1, keepdim=True).clamp(max=size.shape[1] - 1)
        t = (gap - before.gather(1, first)).clamp(min=0) / rate.gather(1, first).clamp(min=tiny)
        change = torch.minimum(t * speed, room)
    return change.copysign(normal)

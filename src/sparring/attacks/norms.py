"""Geometry of the four norms: lengths, and exact projections onto the intersection of a ball and bounds.

Tensors are `[B, ...]`, one point per row; lengths and radii are `[B]`. Bounds of a perturbation `delta` satisfy
low <= 0 <= high, each `[B, ...]`, so that 0 is always feasible.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["Linf", "L2", "L1", "L0"]
NORMS: tuple[Norm, ...] = ("Linf", "L2", "L1", "L0")


def length(norm: Norm, delta: Tensor) -> Tensor:
    """Return the norm of each row, `[B]`; L0 counts the nonzero entries."""
    flat = delta.flatten(1)
    if norm == "Linf":
        return flat.abs().amax(1)
    if norm == "L2":
        return flat.square().sum(1).sqrt()
    if norm == "L1":
        return flat.abs().sum(1)
    return (flat != 0).sum(1).to(delta.dtype)


def unsqueeze_like(value: Tensor, like: Tensor) -> Tensor:
    """Reshape `[B]` to `[B, 1, ...]`, which broadcasts against `like` `[B, ...]`."""
    return value.reshape(-1, *[1] * (like.dim() - 1))


def project(norm: Norm, delta: Tensor, radius: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Project `delta` (in L2) onto the perturbations between `low` and `high` of norm at most `radius`."""
    inside = delta.clamp(low, high)
    if norm == "Linf":
        limit = unsqueeze_like(radius, delta)
        return inside.clamp(-limit, limit)
    over = length(norm, inside) > radius
    if not over.any():
        return inside
    flat, radius = delta[over].flatten(1), radius[over]
    room = torch.where(flat > 0, high[over].flatten(1), -low[over].flatten(1))  # up to the bound in its direction
    project_size = {"L2": _project_l2, "L1": _project_l1, "L0": _project_l0}[norm]
    projected = project_size(flat.abs(), room, radius).copysign(flat)
    inside[over] = projected.view_as(inside[over])
    return inside


def _project_l2(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """Return min(s size, room) for the s in [0, 1] at which its norm is `radius`: the KKT conditions, by sorting."""
    stop = torch.where(size > 0, room / size.clamp(min=torch.finfo(size.dtype).tiny), 0)  # the s that reaches the bound
    stop, order = stop.sort(1)
    bounded = room.gather(1, order).square().cumsum(1)  # squares of the entries at their bound
    squares = size.gather(1, order).square()
    free = squares.flip(1).cumsum(1).flip(1)  # a sum from the end: no difference of nearly equal numbers
    before = torch.cat([bounded.new_zeros(len(bounded), 1), bounded[:, :-1]], 1)
    at_stop = before + stop.square() * free
    first = (at_stop < radius.square()[:, None]).sum(1, keepdim=True).clamp(max=size.shape[1] - 1)
    remaining = (radius.square()[:, None] - before.gather(1, first)).clamp(min=0)
    s = (remaining / free.gather(1, first).clamp(min=torch.finfo(size.dtype).tiny)).sqrt()
    return torch.minimum(s * size, room)


def _project_l1(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """Return min(max(size - t, 0), room), with t >= 0 where it sums to `radius`: piecewise linear in t, by sorting."""
    ends, order = torch.cat([size, size - room], 1).sort(1, descending=True)
    starts = order < size.shape[1]  # as t falls, an entry starts to grow at t = size, and stops at size - room
    slope = torch.where(starts, 1, -1).cumsum(1).to(size.dtype)
    increments = slope[:, :-1] * (ends[:, :-1] - ends[:, 1:])
    total = torch.cat([increments.new_zeros(len(increments), 1), increments.cumsum(1)], 1)  # the sum at each of `ends`
    last = ((total < radius[:, None]).sum(1, keepdim=True) - 1).clamp(min=0)
    t = ends.gather(1, last) - (radius[:, None] - total.gather(1, last)) / slope.gather(1, last).clamp(min=1)
    return torch.minimum((size - t).clamp(min=0), room)


def _project_l0(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """Keep the entries whose change lowers the distance most, each up to its bound; set the others to 0."""
    change = torch.minimum(size, room)
    gain = size.square() - (size - change).square()
    rank = gain.argsort(1, descending=True).argsort(1)
    return change * (rank < radius[:, None])


def project_onto_hyperplane(norm: Norm, normal: Tensor, gap: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return the shortest d (Linf, L2 or L1) with <normal, d> = gap, between `low` and `high`; all `[N, n]`, gap `[N]`.

    If the bounds do not allow it, d goes as far as they do (Croce and Hein 2020b, FAB, Eq. 6 and appendix).
    """
    normal, gap = normal * unsqueeze_like(gap.sign(), normal), gap.abs()[:, None]
    size = normal.abs()
    room = torch.where(normal > 0, high, -low) * (size > 0)
    tiny = torch.finfo(size.dtype).tiny
    if norm == "L1":  # the entries of largest slope first, each up to its bound
        slope, order = size.sort(1, descending=True)
        sorted_room = room.gather(1, order)
        gained = (slope * sorted_room).cumsum(1)
        before = torch.cat([gained.new_zeros(len(gained), 1), gained[:, :-1]], 1)
        taken = torch.minimum(((gap - before) / slope.clamp(min=tiny)).clamp(min=0), sorted_room)
        change = torch.zeros_like(size).scatter_(1, order, taken)
    else:  # min(t speed, room), for the t at which the hyperplane is reached
        speed = size if norm == "L2" else (size > 0).to(size.dtype)
        stop, order = torch.where(speed > 0, room / speed.clamp(min=tiny), 0).sort(1)
        gained = (size * room).gather(1, order).cumsum(1)
        before = torch.cat([gained.new_zeros(len(gained), 1), gained[:, :-1]], 1)
        rate = (size * speed).gather(1, order).flip(1).cumsum(1).flip(1)  # of the entries below their bound
        first = (before + stop * rate < gap).sum(1, keepdim=True).clamp(max=size.shape[1] - 1)
        t = (gap - before.gather(1, first)).clamp(min=0) / rate.gather(1, first).clamp(min=tiny)
        change = torch.minimum(t * speed, room)
    return change.copysign(normal)

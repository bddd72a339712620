"""HopSkipJump: search for the nearest adversarial example by predicted classes alone (Chen et al. 2020, Algorithm 2).

All rows of a batch share the same random directions, so a row's result does not depend on the rest of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from sparring.attacks.attack_state import check_budget, running_attack
from sparring.attacks.min_norm import MinNormState, check_norm
from sparring.attacks.norms import Norm, length, unsqueeze_like
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix

CHUNK_ENTRIES = 1 << 21
"""Entries of all points in one batch of normal estimation."""
MAX_DRAWS = 10_000
PROBE: dict[Norm, float] = {"L2": 10.0, "Linf": 1.0}
"""Probe distance around the boundary, in units of the paper's, with which some rows got stuck.

On two digit networks (24 rows, d = 64) L2 distances fell from 1.34 and 1.08 times FMN's to 1.07 and 1.01 times. Linf
gained nothing."""
HALVINGS = 20
"""Halvings of a jump until it ends at an adversarial point; if none does, the row does not move."""


def hop_skip_jump(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    start: Tensor | None = None,
    steps: int = 30,
    draws: int = 100,
    tries: int = 100,
    seed: int = 0,
) -> Result:
    """Walk along the decision boundary towards x `[B, ...]`; `distance` is set beyond eps too.

    Only the predicted class is used: give a model that returns classes as `lambda x: 2 * one_hot(classes(x), K)`. Each
    row begins at its point of `start` `[B, ...]`. If that is not adversarial or not given, it begins at the first
    adversarial one of `tries` points drawn from the box. Step t evaluates `draws` sqrt(t) points. L2 and Linf.
    """
    check_budget(steps=steps, draws=draws, tries=tries)
    check_norm("hop_skip_jump", threat.norm, ("L2", "Linf"))
    if start is not None and start.shape != x.shape:
        raise UsageError(f"start is {list(start.shape)}, and x is {list(x.shape)}: give one point for each row")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        walk = _Walk(MinNormState(state), seed)
        walk.begin(start, tries)
        for step in range(steps + 1 if len(walk.idx) else 0):
            if step:
                walk.jump(min(int(draws * math.sqrt(step)), MAX_DRAWS), step)
            walk.bisect(step)
        return walk.nearest.result()


class _Walk:
    """Current points of the R rows that have an adversarial example to start from."""

    def __init__(self, nearest: MinNormState, seed: int) -> None:
        self.nearest, self.generator = nearest, torch.Generator().manual_seed(mix(seed))
        self.idx = nearest.state.unbroken_idx
        self.region = nearest.region.select(self.idx)
        self.x_adv = self.region.x
        self.size = self.x_adv[0].numel() if len(self.x_adv) else 1
        self.theta = min(self.size**-1.5, 0.01)
        """Precision of the boundary search, as a fraction of the distance to it."""

    def is_adversarial(self, points: Tensor, mask: Tensor, step: int) -> Tensor:
        """Evaluate and record `points`, one for each row of the walk in `mask` `[R]`; return the adversarial mask."""
        idx, x_proj = self.idx[mask], self.region.select(mask).round_discrete(points)
        return self.nearest.record(x_proj, self.nearest.state.logits(x_proj, idx), idx, step)

    def begin(self, start: Tensor | None, tries: int) -> None:
        """Move each row to its first adversarial start; rows without any leave."""
        missing = torch.ones_like(self.idx, dtype=torch.bool)
        for points in self._starts(start, tries):
            if not missing.any():
                break
            success = missing.masked_scatter(missing, self.is_adversarial(points[missing], missing, 0))
            self.x_adv = torch.where(unsqueeze_like(success, points), points, self.x_adv)
            missing = missing & ~success
        self.idx, self.region, self.x_adv = self.idx[~missing], self.region.select(~missing), self.x_adv[~missing]

    def _starts(self, start: Tensor | None, tries: int) -> Iterator[Tensor]:
        low, high = self.region.low, self.region.high
        if start is not None:
            yield torch.clamp(start[self.idx].to(low), low, high)
        if not (torch.isfinite(low) & torch.isfinite(high)).all():
            if start is None:
                raise UsageError("hop_skip_jump draws its start from the box, and this box is unbounded: give start")
            return
        for _ in range(tries):
            yield torch.lerp(low, high, torch.rand(low.shape[1:], generator=self.generator).to(low))

    def bisect(self, step: int) -> None:
        """Move towards x up to the boundary by bisection: along a line in L2, in ever smaller cubes in Linf."""
        x, delta, all_rows = self.region.x, self.x_adv - self.region.x, torch.ones_like(self.idx, dtype=torch.bool)
        distance = length(self.region.norm, delta)

        def between(fraction: Tensor) -> Tensor:
            if self.region.norm == "L2":
                return x + unsqueeze_like(fraction, x) * delta
            reach = unsqueeze_like(fraction * distance, x)
            return x + delta.clamp(-reach, reach)

        low, high = torch.zeros_like(distance), torch.ones_like(distance)
        for _ in range(math.ceil(-math.log2(self.theta))):
            middle = (low + high) / 2
            success = self.is_adversarial(between(middle), all_rows, step)
            low, high = torch.where(success, low, middle), torch.where(success, middle, high)
        self.x_adv = torch.where(unsqueeze_like(high < 1, x), between(high), self.x_adv)

    def jump(self, draws: int, step: int) -> None:
        """Move along the boundary's normal to an adversarial point, by a step that is halved until it ends at one."""
        direction = self.region.steepest(self._normal(draws), self.x_adv)
        step_length = length(self.region.norm, self.x_adv - self.region.x) / math.sqrt(step)
        pending, origin = torch.ones_like(self.idx, dtype=torch.bool), self.x_adv
        for _ in range(HALVINGS):
            points = origin + unsqueeze_like(step_length, direction) * direction
            points = torch.clamp(points, self.region.low, self.region.high)
            success = pending.masked_scatter(pending, self.is_adversarial(points[pending], pending, step))
            self.x_adv = torch.where(unsqueeze_like(success, points), points, self.x_adv)
            pending, step_length = pending & ~success, step_length / 2
            if not pending.any():
                return

    def _normal(self, draws: int) -> Tensor:
        """Estimate the boundary's normal from the centred decisions at random points around it (section III-C)."""
        region, x_adv, state = self.region, self.x_adv[:, None], self.nearest.state
        low, high = region.low[:, None], region.high[:, None]
        norm, shape = region.norm, region.x.shape[1:]
        probe = PROBE[norm] * self.theta * (self.size**0.5 if norm == "L2" else self.size)
        radius = probe * length(norm, self.x_adv - region.x)
        signed, total, balance = torch.zeros_like(region.x), torch.zeros_like(region.x), torch.zeros_like(radius)
        chunk_draws = max(CHUNK_ENTRIES // region.x.numel(), 1)
        for first in range(0, draws, chunk_draws):
            count = min(chunk_draws, draws - first)
            noise = torch.stack([torch.randn(shape, generator=self.generator) for _ in range(count)])
            noise = (noise.to(x_adv) * (high > low)).flatten(0, 1)
            sphere = (noise / unsqueeze_like(length("L2", noise), noise).clamp(min=1e-12)).view(-1, count, *shape)
            points = torch.clamp(x_adv + unsqueeze_like(radius, sphere) * sphere, low, high)
            row = torch.arange(len(x_adv), device=x_adv.device).repeat_interleave(count)
            x_proj, idx = points.flatten(0, 1), self.idx[row]
            if region.columns.discrete:
                x_proj = region.select(row).round_discrete(x_proj)
            adversarial = state.is_adversarial(state.logits(x_proj, idx), idx)
            sign = torch.where(adversarial, 1.0, -1.0).view(-1, count)
            deltas = points - x_adv
            signed += torch.einsum("rm,rm...->r...", sign.to(deltas), deltas)
            total, balance = total + deltas.sum(1), balance + sign.sum(1)
        mean = balance / draws
        return signed - unsqueeze_like(mean * (mean.abs() < 1), signed) * total

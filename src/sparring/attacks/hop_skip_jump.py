"""HopSkipJump: the nearest adversarial example by decisions alone (Chen, Jordan and Wainwright 2020, Algorithm 2).

Every row of a batch is offered the same random directions, so what becomes of it does not depend on who else is there.
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

AT_ONCE = 1 << 21
"""Entries of all points in one batch, where a look is at many."""
MOST_DRAWS = 10_000
PROBE: dict[Norm, float] = {"L2": 10.0, "Linf": 1.0}
"""By how much farther than in the paper the boundary is probed. On two nets of digits (24 rows, d = 64) L2 distances were 1.34
and 1.08 times FMN's with the paper's, for some rows got stuck, and 1.07 and 1.01 times with this; in Linf it gained nothing."""
HALVINGS = 20
"""Of a jump, until it lands on the right side; if none does, the row stays where it is."""


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
    """Walk along the boundary towards the data; success is an example within eps, `distance` tells how far it is anyway.

    Of the model's answer only the largest logit is looked at: a model that tells just a class can be attacked as
    `lambda x: 2 * one_hot(classes(x), K)`. It begins at `start` `[B, ...]`, or where that is not adversarial, or was not
    given, at the first of `tries` points drawn from the box that is. Step t looks at `draws` sqrt(t) points. L2 and Linf.
    """
    check_budget(steps=steps, draws=draws, tries=tries)
    check_norm("hop_skip_jump", threat.norm, ("L2", "Linf"))
    if start is not None and start.shape != x.shape:
        raise UsageError(f"start is {list(start.shape)}, and x is {list(x.shape)}: give one point for each row")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        walk = _Walk(MinNormState(state), seed)
        walk.begin(start, tries)
        for step in range(steps + 1 if len(walk.rows) else 0):
            if step:
                walk.jump(min(int(draws * math.sqrt(step)), MOST_DRAWS), step)
            walk.back(step)
        return walk.nearest.result()


class _Walk:
    """Where the rows are that have an adversarial example to start from, R of them."""

    def __init__(self, nearest: MinNormState, seed: int) -> None:
        self.nearest, self.generator = nearest, torch.Generator().manual_seed(mix(seed))
        self.rows = nearest.state.unbroken_idx
        self.region = nearest.region.select(self.rows)
        self.at = self.region.x
        self.size = self.at[0].numel() if len(self.at) else 1
        self.theta = min(self.size**-1.5, 0.01)
        """How finely the boundary is looked for, as a share of the way to it."""

    def look(self, at: Tensor, which: Tensor, step: int) -> Tensor:
        """True where `at` is adversarial, for the rows of the walk that are true in `which`."""
        rows, seen = self.rows[which], self.region.select(which).round_discrete(at)
        return self.nearest.record(seen, self.nearest.state.logits(seen, rows), rows, step)

    def begin(self, start: Tensor | None, tries: int) -> None:
        """To the first adversarial example; rows without any leave."""
        lost = torch.ones_like(self.rows, dtype=torch.bool)
        for ahead in self._beginnings(start, tries):
            if not lost.any():
                break
            hit = self.look(ahead[lost], lost, 0)
            found = lost.masked_scatter(lost, hit)
            self.at, lost = torch.where(unsqueeze_like(found, ahead), ahead, self.at), lost & ~found
        self.rows, self.region, self.at = self.rows[~lost], self.region.select(~lost), self.at[~lost]

    def _beginnings(self, start: Tensor | None, tries: int) -> Iterator[Tensor]:
        low, high = self.region.low, self.region.high
        if start is not None:
            yield torch.clamp(start[self.rows].to(low), low, high)
        if not (torch.isfinite(low) & torch.isfinite(high)).all():
            if start is None:
                raise UsageError("hop_skip_jump begins anywhere in the box, and this one has no ends: give start")
            return
        for _ in range(tries):
            yield torch.lerp(low, high, torch.rand(low.shape[1:], generator=self.generator).to(low))

    def back(self, step: int) -> None:
        """Towards the data as far as it stays adversarial: along a line, or in Linf, in ever smaller cubes; by bisection."""
        x, reach, everyone = self.region.x, self.at - self.region.x, torch.ones_like(self.rows, dtype=torch.bool)
        far = length(self.region.norm, reach)

        def between(share: Tensor) -> Tensor:
            if self.region.norm == "L2":
                return x + unsqueeze_like(share, x) * reach
            most = unsqueeze_like(share * far, x)
            return x + reach.clamp(-most, most)

        low, high = torch.zeros_like(far), torch.ones_like(far)
        for _ in range(math.ceil(-math.log2(self.theta))):
            middle = (low + high) / 2
            hit = self.look(between(middle), everyone, step)
            low, high = torch.where(hit, low, middle), torch.where(hit, middle, high)
        self.at = torch.where(unsqueeze_like(high < 1, x), between(high), self.at)

    def jump(self, draws: int, step: int) -> None:
        """Away from the boundary, along its normal, by a step that is halved until it lands beyond."""
        way = self.region.steepest(self._normal(draws), self.at)
        stride = length(self.region.norm, self.at - self.region.x) / math.sqrt(step)
        waits, origin = torch.ones_like(self.rows, dtype=torch.bool), self.at
        for _ in range(HALVINGS):
            ahead = torch.clamp(origin + unsqueeze_like(stride, way) * way, self.region.low, self.region.high)
            landed = waits.masked_scatter(waits, self.look(ahead[waits], waits, step))
            self.at = torch.where(unsqueeze_like(landed, ahead), ahead, self.at)
            waits, stride = waits & ~landed, stride / 2
            if not waits.any():
                return

    def _normal(self, draws: int) -> Tensor:
        """The direction of the boundary's normal, by decisions around it, less their mean (section III-C)."""
        region, at, state = self.region, self.at[:, None], self.nearest.state
        low, high = region.low[:, None], region.high[:, None]
        norm, shape = region.norm, region.x.shape[1:]
        probe = PROBE[norm] * self.theta * (self.size**0.5 if norm == "L2" else self.size)
        far = probe * length(norm, self.at - region.x)
        signed, total, balance = torch.zeros_like(region.x), torch.zeros_like(region.x), torch.zeros_like(far)
        most = max(AT_ONCE // region.x.numel(), 1)
        for first in range(0, draws, most):
            count = min(most, draws - first)
            noise = torch.stack([torch.randn(shape, generator=self.generator) for _ in range(count)])
            noise = (noise.to(at) * (high > low)).flatten(0, 1)
            sphere = (noise / unsqueeze_like(length("L2", noise), noise).clamp(min=1e-12)).view(-1, count, *shape)
            around = torch.clamp(at + unsqueeze_like(far, sphere) * sphere, low, high)
            which = torch.arange(len(at), device=at.device).repeat_interleave(count)
            seen, rows = around.flatten(0, 1), self.rows[which]
            if region.columns.discrete:
                seen = region.select(which).round_discrete(seen)
            sign = torch.where(state.succeeds(state.logits(seen, rows), rows), 1.0, -1.0).view(-1, count)
            moves = around - at
            signed += torch.einsum("rm,rm...->r...", sign.to(moves), moves)
            total, balance = total + moves.sum(1), balance + sign.sum(1)
        mean = balance / draws
        return signed - unsqueeze_like(mean * (mean.abs() < 1), signed) * total

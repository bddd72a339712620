"""Auto-PGD: projected gradient ascent that adapts its step size (Croce and Hein 2020, Algorithm 1).

In L1 the sparse steps of Croce and Hein 2021, "Mind the box" (Algorithm 1), started in balls three and two times as
large.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState, check_budget, running_attack
from sparring.attacks.feasible_set import FeasibleSet
from sparring.attacks.losses import Loss, ce
from sparring.attacks.norms import length, unsqueeze_like
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix

MOMENTUM = 0.75
"""Weight of the new step; the rest is the weight of the previous one (alpha of Algorithm 1)."""
L1_PHASES = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))
"""L1: multiples of eps, and the fraction of the steps spent in each."""


def apgd(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    loss: Loss = ce,
    n_targets: int = 0,
    steps: int = 100,
    restarts: int = 1,
    rho: float = 0.75,
    eot: int = 1,
    seed: int = 0,
) -> Result:
    """Maximise `loss` on x `[B, ...]` in `steps` steps of length 2 eps, halved where the loss stops growing.

    With `n_targets`, the loss is targeted at each of the likeliest wrong classes in turn (APGD-T with `losses.dlr`),
    and any wrong class is a success. A row leaves at the step at which it is misclassified. Linf, L2 and L1.
    """
    if threat.norm == "L0":
        raise UsageError("apgd does not support L0: use pgd")
    check_budget(steps=steps, restarts=restarts, eot=eot, n_targets=n_targets, target=target)
    with running_attack(model, x, y, threat, target=target, seed=seed, eot=eot) as state:
        generator = torch.Generator().manual_seed(mix(seed))
        for run, (idx, target_class) in enumerate(state.target_groups(n_targets, restarts)):
            region = state.region.select(idx)
            x_adv = region.random_point(generator)
            for larger, count, earlier in _phases(region, steps):
                paths = _Paths.begin(idx, target_class, larger, larger.clip(x_adv))
                last_phase = earlier + count == steps  # points of a larger ball are not recorded
                x_adv = _climb(state, paths, loss, count, rho, run * steps + earlier if last_phase else None)
        return state.result()


def checkpoints(steps: int) -> list[int]:
    """Return the steps at which the step may be halved: section 3.2, p_1 = 0.22, then 0.03 less each, at least 0.06."""
    window, min_window, decrease = (max(int(fraction * steps), 1) for fraction in (0.22, 0.06, 0.03))
    checkpoint_steps = [window]
    while checkpoint_steps[-1] < steps:
        window = max(window - decrease, min_window)
        checkpoint_steps.append(checkpoint_steps[-1] + window)
    return [step for step in checkpoint_steps if step < steps]


def _phases(region: FeasibleSet, steps: int) -> list[tuple[FeasibleSet, int, int]]:
    """Return (feasible set, number of steps, steps before it): one phase, or the three of L1."""
    if region.norm != "L1":
        return [(region, steps, 0)]
    first = int(L1_PHASES[0][1] * steps)
    return [
        (replace(region, eps=factor * region.eps), count, earlier)
        for (factor, _), count, earlier in zip(
            L1_PHASES, (first, first, steps - 2 * first), (0, first, 2 * first), strict=True
        )
        if count
    ]


def _climb(state: AttackState, paths: _Paths, loss: Loss, steps: int, rho: float, first_step: int | None) -> Tensor:
    """Ascend, and return the best point of each path; points are recorded only if `first_step` is given."""
    sparse = paths.region.norm == "L1"
    window = max(int(0.04 * steps), 1)
    due = list(range(window, steps, window)) if sparse else checkpoints(steps)
    last_checkpoint = 0
    for step in range(steps + 1):
        x_proj = paths.region.round_discrete(paths.x_adv)
        if step == steps and first_step is not None:  # the last point needs no gradient
            state.record(x_proj, state.logits(x_proj, paths.idx), paths.idx, first_step + step)
            break
        logits, losses, gradient = state.gradient(x_proj, paths.idx, loss, paths.target_class)
        if first_step is not None:
            unbroken = ~state.record(x_proj, logits, paths.idx, first_step + step)
            if not unbroken.all():
                paths, losses, gradient = paths.select(unbroken), losses[unbroken], gradient[unbroken]
                if not len(paths.idx):
                    break
        paths.update(losses, gradient)
        if step in due:
            if sparse:
                paths.adapt_sparse_step()
            else:
                paths.halve_step(rho * (step - last_checkpoint))
            last_checkpoint = step
        if sparse:
            paths.take_sparse_step()
        else:
            paths.take_step(MOMENTUM if step else 1.0)
    return paths.x_best


@dataclass
class _Paths:
    """State of P ascent paths."""

    idx: Tensor
    """Row of the batch, `[P]`."""
    target_class: Tensor | None
    """Target class, `[P]`."""
    region: FeasibleSet
    x_adv: Tensor
    """Current point, `[P, ...]`."""
    x_prev: Tensor
    """Previous point."""
    x_best: Tensor
    """Point with the highest loss."""
    gradient: Tensor
    best_gradient: Tensor
    loss: Tensor
    best_loss: Tensor
    checkpoint_loss: Tensor
    """Best loss at the last checkpoint, `[P]`."""
    increases: Tensor
    """Number of steps since the last checkpoint at which the loss grew, `[P]`."""
    halved: Tensor
    """True where the step was halved at the last checkpoint, bool `[P]`."""
    step_length: Tensor
    """Step length, `[P]`."""
    support: Tensor
    """L1: number of entries changed by the best point at the last checkpoint, `[P]`."""

    @classmethod
    def begin(cls, idx: Tensor, target_class: Tensor | None, region: FeasibleSet, x_adv: Tensor) -> _Paths:
        """Start all paths at `x_adv` `[P, ...]`."""
        zero = torch.zeros_like(region.eps)
        low, high = zero - torch.inf, zero + torch.inf
        step_length = region.eps * (1 if region.norm == "L1" else 2)
        gradient, halved = torch.zeros_like(x_adv), torch.ones_like(idx, dtype=torch.bool)
        support = length("L0", x_adv - region.x)
        return cls(
            idx, target_class, region, x_adv, x_adv, x_adv, gradient, gradient, high, low, low, zero, halved,
            step_length, support,
        )  # fmt: skip

    def select(self, mask: Tensor) -> _Paths:
        """Return the paths where `mask` `[P]` is True."""
        return _Paths(**{field.name: _select(getattr(self, field.name), mask) for field in fields(self)})

    def update(self, loss: Tensor, gradient: Tensor) -> None:
        """Store the loss `[P]` and gradient at the current points, and the best points."""
        better = loss > self.best_loss
        self._update_best(better, loss, gradient)
        self.increases = self.increases + (loss > self.loss)
        self.loss, self.gradient = loss, gradient

    def _update_best(self, better: Tensor, loss: Tensor, gradient: Tensor) -> None:
        self.x_best = torch.where(unsqueeze_like(better, self.x_adv), self.x_adv, self.x_best)
        self.best_gradient = torch.where(unsqueeze_like(better, self.x_adv), gradient, self.best_gradient)
        self.best_loss = torch.where(better, loss, self.best_loss)

    def halve_step(self, min_increases: float) -> None:
        """Halve the step and return to the best point where condition 1 or 2 of section 3.2 holds."""
        stalled = ~self.halved & (self.checkpoint_loss >= self.best_loss)
        self.halved = (self.increases <= min_increases) | stalled
        self.step_length = torch.where(self.halved, self.step_length / 2, self.step_length)
        self._return_to_best(self.halved)
        self.checkpoint_loss, self.increases = self.best_loss, torch.zeros_like(self.increases)

    def adapt_sparse_step(self) -> None:
        """In L1, return to the best point with the longest step if it is sparser than before, else shorten the step."""
        support = length("L0", self.x_best - self.region.x)
        sparser = support < 0.95 * self.support
        eps = self.region.eps
        self.step_length = torch.where(sparser, eps, torch.maximum(self.step_length / 1.5, eps / 10))
        self.support = support
        self._return_to_best(sparser)

    def _return_to_best(self, mask: Tensor) -> None:
        self.x_adv = torch.where(unsqueeze_like(mask, self.x_adv), self.x_best, self.x_adv)
        self.gradient = torch.where(unsqueeze_like(mask, self.x_adv), self.best_gradient, self.gradient)

    def take_step(self, momentum: float) -> None:
        """Take a projected step weighted by `momentum`, plus the previous one by 1 - `momentum` (Eqs. 1 and 2)."""
        x_adv = self.x_adv
        x_next = self.region.ascend(x_adv, self.gradient, self.step_length)
        if momentum < 1:
            x_next = self.region.clip(x_adv + momentum * (x_next - x_adv) + (1 - momentum) * (x_adv - self.x_prev))
        self.x_prev, self.x_adv = x_adv, x_next

    def take_sparse_step(self) -> None:
        """L1: step along the signs of the largest gradient entries, two thirds as many as the best point changed."""
        flat = self.gradient.abs().flatten(1)
        rank = (flat.shape[1] - self.support / 1.5).clamp(min=0, max=flat.shape[1] - 1).long()
        threshold = flat.sort(1).values.gather(1, rank[:, None])
        sign = self.gradient.sign() * (flat >= threshold).view_as(self.x_adv)
        direction = sign / unsqueeze_like(length("L1", sign), sign).clamp(min=1)
        self.x_adv = self.region.clip(self.x_adv + unsqueeze_like(self.step_length, sign) * direction)


def _select(value: Any, mask: Tensor) -> Any:
    return value if value is None else value.select(mask) if isinstance(value, FeasibleSet) else value[mask]

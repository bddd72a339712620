"""Auto-PGD: projected gradient ascent that finds its own step size (Croce and Hein 2020, Algorithm 1).

In L1 the sparse steps of Croce and Hein 2021, "Mind the box" (Algorithm 1), begun in balls three and two times as large.
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
"""Share of the new step in the next; the rest is the last one's (alpha of Algorithm 1)."""
PHASES = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))
"""L1: multiples of eps, and their shares of the steps."""


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
    """Ascend `loss` in `steps` steps, which start at twice eps and are halved where they lead nowhere any more.

    With `targets`, the loss goes for each of so many wrong classes, the likeliest first (APGD-T with `losses.dlr`); any
    wrong class is then a success. A row leaves at the step at which it breaks. Linf, L2 and L1.
    """
    if threat.norm == "L0":
        raise UsageError("apgd knows no L0: take pgd")
    check_budget(steps=steps, restarts=restarts, eot=eot, n_targets=n_targets, target=target)
    with running_attack(model, x, y, threat, target=target, seed=seed, eot=eot) as state:
        generator = torch.Generator().manual_seed(mix(seed))
        for run, (rows, aim) in enumerate(state.groups(n_targets, restarts)):
            region = state.region.select(rows)
            at = region.random_point(generator)
            for wider, count, before in _phases(region, steps):
                paths = _Paths.begin(rows, aim, wider, wider.clip(at))
                counts = before + count == steps  # in a wider ball nothing counts yet
                at = _climb(state, paths, loss, count, rho, run * steps + before if counts else None)
        return state.result()


def checkpoints(steps: int) -> list[int]:
    """The steps after which the step size is looked at: section 3.2, with p_1 = 0.22, then 0.03 less each time, to 0.06."""
    window, least, less = (max(int(share * steps), 1) for share in (0.22, 0.06, 0.03))
    at = [window]
    while at[-1] < steps:
        window = max(window - less, least)
        at.append(at[-1] + window)
    return [step for step in at if step < steps]


def _phases(region: FeasibleSet, steps: int) -> list[tuple[FeasibleSet, int, int]]:
    """Region, number of steps, and steps before: one phase, or the three of L1."""
    if region.norm != "L1":
        return [(region, steps, 0)]
    first = int(PHASES[0][1] * steps)
    return [
        (replace(region, eps=factor * region.eps), count, before)
        for (factor, _), count, before in zip(
            PHASES, (first, first, steps - 2 * first), (0, first, 2 * first), strict=True
        )
        if count
    ]


def _climb(state: AttackState, paths: _Paths, loss: Loss, steps: int, rho: float, before: int | None) -> Tensor:
    """Ascend; returns each path's best point. Breaking counts only with `before`, the number of earlier steps."""
    sparse = paths.region.norm == "L1"
    window = max(int(0.04 * steps), 1)
    due = list(range(window, steps, window)) if sparse else checkpoints(steps)
    since = 0
    for step in range(steps + 1):
        seen = paths.region.round_discrete(paths.at)
        if step == steps and before is not None:  # nothing comes after it: no gradient is needed
            state.record(seen, state.logits(seen, paths.rows), paths.rows, before + step)
            break
        logits, value, gradient = state.gradient(seen, paths.rows, loss, paths.aim)
        if before is not None:
            stands = ~state.record(seen, logits, paths.rows, before + step)
            if not stands.all():
                paths, value, gradient = paths.keep(stands), value[stands], gradient[stands]
                if not len(paths.rows):
                    break
        paths.see(value, gradient)
        if step in due:
            if sparse:
                paths.thin()
            else:
                paths.halve(rho * (step - since))
            since = step
        if sparse:
            paths.stride_sparsely()
        else:
            paths.stride(MOMENTUM if step else 1.0)
    return paths.best


@dataclass
class _Paths:
    """Where all paths of a climb are, P of them."""

    rows: Tensor
    """Their rows in the batch, `[P]`."""
    aim: Tensor | None
    """The classes they go for, `[P]`."""
    region: FeasibleSet
    at: Tensor
    last: Tensor
    """The point before."""
    best: Tensor
    """The point with the highest loss."""
    gradient: Tensor
    best_gradient: Tensor
    loss: Tensor
    best_loss: Tensor
    checked: Tensor
    """The best loss at the last checkpoint."""
    rises: Tensor
    """How often the loss has grown since."""
    split_head: Tensor
    """Whether the step was halved at the last checkpoint."""
    step: Tensor
    """Its length, `[P]`."""
    support: Tensor
    """L1: how many entries the best point changed at the last checkpoint."""

    @classmethod
    def begin(cls, rows: Tensor, aim: Tensor | None, region: FeasibleSet, at: Tensor) -> _Paths:
        """All paths at `at` `[P, ...]`."""
        none = torch.zeros_like(region.eps)
        low, high = none - torch.inf, none + torch.inf
        step = region.eps * (1 if region.norm == "L1" else 2)
        slope, split_head = torch.zeros_like(at), torch.ones_like(rows, dtype=torch.bool)
        support = length("L0", at - region.x)
        return cls(rows, aim, region, at, at, at, slope, slope, high, low, low, none, split_head, step, support)

    def keep(self, which: Tensor) -> _Paths:
        """Some of the paths."""
        parts = {part.name: _pick(getattr(self, part.name), which) for part in fields(self)}
        return _Paths(**parts)

    def see(self, loss: Tensor, gradient: Tensor) -> None:
        """Take in the loss `[P]` and its gradient where the paths are."""
        better = loss > self.best_loss
        self._put_best(better, loss, gradient)
        self.rises = self.rises + (loss > self.loss)
        self.loss, self.gradient = loss, gradient

    def _put_best(self, better: Tensor, loss: Tensor, gradient: Tensor) -> None:
        self.best = torch.where(unsqueeze_like(better, self.at), self.at, self.best)
        self.best_gradient = torch.where(unsqueeze_like(better, self.at), gradient, self.best_gradient)
        self.best_loss = torch.where(better, loss, self.best_loss)

    def halve(self, enough: float) -> None:
        """A checkpoint: conditions 1 and 2 of section 3.2; where one holds, back to the best point with half the step."""
        stuck = ~self.split_head & (self.checked >= self.best_loss)
        self.split_head = (self.rises <= enough) | stuck
        self.step = torch.where(self.split_head, self.step / 2, self.step)
        self._return(self.split_head)
        self.checked, self.rises = self.best_loss, torch.zeros_like(self.rises)

    def thin(self) -> None:
        """A checkpoint of L1: where the best point has grown sparser, back to it with the longest step; else a shorter one."""
        support = length("L0", self.best - self.region.x)
        sparser = support < 0.95 * self.support
        eps = self.region.eps
        self.step = torch.where(sparser, eps, torch.maximum(self.step / 1.5, eps / 10))
        self.support = support
        self._return(sparser)

    def _return(self, which: Tensor) -> None:
        self.at = torch.where(unsqueeze_like(which, self.at), self.best, self.at)
        self.gradient = torch.where(unsqueeze_like(which, self.at), self.best_gradient, self.gradient)

    def stride(self, share: float) -> None:
        """Eqs. 1 and 2: a projected step, of which `share` is taken, and the rest of the last one once more."""
        region, at = self.region, self.at
        ahead = region.clip(at + unsqueeze_like(self.step, at) * region.steepest(self.gradient, at))
        if share < 1:
            ahead = region.clip(at + share * (ahead - at) + (1 - share) * (at - self.last))
        self.last, self.at = at, ahead

    def stride_sparsely(self) -> None:
        """The signs of the largest slopes, for two thirds as many entries as the best point changed, on a step of L1 length."""
        flat = self.gradient.abs().flatten(1)
        least = (flat.shape[1] - self.support / 1.5).clamp(min=0, max=flat.shape[1] - 1).long()
        threshold = flat.sort(1).values.gather(1, least[:, None])
        sign = self.gradient.sign() * (flat >= threshold).view_as(self.at)
        way = sign / unsqueeze_like(length("L1", sign), sign).clamp(min=1)
        self.at = self.region.clip(self.at + unsqueeze_like(self.step, sign) * way)


def _pick(part: Any, which: Tensor) -> Any:
    return part if part is None else part.select(which) if isinstance(part, FeasibleSet) else part[which]

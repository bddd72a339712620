"""The bookkeeping of one attack: what was found, what it cost, who is still standing. Attacks are loops around this."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sparring.attacks.losses import Loss, margin
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, check_inputs, frozen
from sparring.engine.errors import UsageError

TOGETHER = {"cpu": 64, "cuda": 2048}
"""Points in one batch, by device, up to which several classes of a row are gone for at once."""


class AttackState:
    """One attack under way. `rows` `[R]` are indices into the batch; a row may be looked at at several points at once."""

    def __init__(self, model: Model, x: Tensor, y: Tensor, threat: Threat, target: Tensor | None, eot: int) -> None:
        self.clean = check_inputs(model, x, y, threat, target=target)
        """Logits of the data, `[B, K]`."""
        self.model, self.x, self.y, self.threat, self.eot = model, x, y.long(), threat, eot
        self.target = None if target is None else target.long()
        self.region = threat.around(x)
        self.adv = x.clone()
        """The example found for each row, or else its most promising point."""
        self.iterations, self.queries, self.gradients = torch.zeros(3, len(x), dtype=torch.int64, device=x.device)
        self.queries += 1
        everyone = torch.arange(len(x), device=x.device)
        self.broken = self.succeeds(self.clean, everyone)
        self._best = self.margins(self.clean, everyone)

    @property
    def unbroken_idx(self) -> Tensor:
        """Rows that are not broken yet, int64 `[R]`."""
        return (~self.broken).nonzero().squeeze(1)

    def succeeds(self, logits: Tensor, rows: Tensor) -> Tensor:
        """True where `logits` `[R, K]` are what the attack is after, bool `[R]`."""
        said = logits.argmax(1)
        return said != self.y[rows] if self.target is None else said == self.target[rows]

    @torch.no_grad()
    def logits(self, at: Tensor, rows: Tensor) -> Tensor:
        """What the model says at the points `at` `[R, ...]`, `[R, K]`; the mean of `eot` passes."""
        self._count(self.queries, rows, self.eot)
        return torch.stack([self._asked(at).detach() for _ in range(self.eot)]).mean(0)

    def gradient(
        self, at: Tensor, rows: Tensor, loss: Loss, aim: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits `[R, K]`, loss `[R]` and its gradient at `at` `[R, ...]`: each the mean of `eot` passes.

        `aim` `[R]` are the classes that the loss goes for; by default the target of the attack, if it has one.
        """
        if aim is None and self.target is not None:
            aim = self.target[rows]
        looks = []
        for _ in range(self.eot):
            leaf = at.detach().requires_grad_()
            with torch.enable_grad():
                logits = self._asked(leaf)
                losses = loss(logits, self.y[rows], aim)
                looks.append((logits.detach(), losses.detach(), input_gradient(losses, leaf)))
        self._count(self.queries, rows, self.eot)
        self._count(self.gradients, rows, self.eot)
        if self.eot == 1:
            return looks[0]
        logits, losses, gradient = (torch.stack(parts).mean(0) for parts in zip(*looks, strict=True))
        return logits, losses, gradient

    def jacobian(self, at: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `[R, K]` and the gradient of each, `[R, K, ...]`: one forward pass and K backward ones."""
        leaf = at.detach().requires_grad_()
        with torch.enable_grad():
            logits = self._asked(leaf)
            slopes = [input_gradient(one, leaf, keep=True) for one in logits.unbind(1)]
        self._count(self.queries, rows, 1)
        self._count(self.gradients, rows, len(slopes))
        return logits.detach(), torch.stack(slopes, 1)

    def groups(self, n_targets: int, restarts: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """For each restart the rows that still stand, and the classes to go for, if any: the likeliest wrong ones first.

        Several classes of a row are in one group where the batch would otherwise be small.
        """
        succeeds = self.clean.scatter(1, self.y[:, None], -torch.inf).argsort(1, descending=True)[:, :-1]
        most = TOGETHER.get(succeeds.device.type, TOGETHER["cpu"])
        for _ in range(restarts):
            if not n_targets and len(self.unbroken_idx):
                yield self.unbroken_idx, None
            first, end = 0, min(n_targets, succeeds.shape[1])
            while first < end and len(rows := self.unbroken_idx):
                aims = succeeds[rows, first : min(end, first + max(1, most // len(rows)))]
                yield rows.repeat_interleave(aims.shape[1]), aims.flatten()
                first += aims.shape[1]

    def record(self, at: Tensor, logits: Tensor, rows: Tensor, iteration: int) -> Tensor:
        """Keep what was seen at `at` in step `iteration`; True where the row is now broken, bool `[R]`.

        Every point given here must be allowed by the threat model.
        """
        hit, margins = self.succeeds(logits, rows), self.margins(logits, rows)
        self.iterations[rows] = iteration
        for which in (margins > self._best[rows], hit):
            kept = best_per_row(rows, which, margins)
            self.adv[rows[kept]], self._best[rows[kept]] = at[kept], margins[kept]
        self.broken[rows[hit]] = True
        return self.broken[rows]

    def result(self) -> Result:
        """The verdict: one more pass over all that was found, in the precision of the data."""
        everyone = torch.arange(len(self.x), device=self.x.device)
        logits = self.logits(self.adv, everyone)
        success = self.succeeds(logits, everyone) & self.threat.allows(self.adv, self.x)
        margins = self.margins(logits, everyone)
        distance = self.threat.distance(self.adv, self.x).masked_fill(~success, torch.inf)
        return Result(self.adv, success, self.iterations, self.queries, self.gradients, margins, distance)

    def margins(self, logits: Tensor, rows: Tensor) -> Tensor:
        """How far `logits` `[R, K]` are beyond what the attack is after, `[R]`: above 0 where they are that."""
        return margin(logits, self.y[rows], None if self.target is None else self.target[rows])

    def _asked(self, at: Tensor) -> Tensor:
        """The model's logits, in the precision of the data: under autocast, say, they come in another."""
        return self.model(at).to(self.x.dtype)

    @staticmethod
    def _count(counter: Tensor, rows: Tensor, times: int) -> None:
        counter.index_add_(0, rows, torch.full_like(rows, times))


@contextmanager
def running_attack(
    model: Model, x: Tensor, y: Tensor, threat: Threat, *, target: Tensor | None = None, seed: int = 0, eot: int = 1
) -> Iterator[AttackState]:
    """Check the input, hold the model still, and keep the books of one attack on it."""
    with frozen(model, seed), torch.no_grad():
        yield AttackState(model, x, y, threat, target, eot)


def best_per_row(rows: Tensor, which: Tensor, margins: Tensor) -> Tensor:
    """Of those places in `rows` `[R]` that `which` tells, one for each row: that with the largest margin.

    Written to a row at once, several points would be torn: threads write parts of one and of another.
    """
    places = which.nonzero().squeeze(1)
    places = places[margins[places].argsort(stable=True)]
    if not len(places):
        return places
    last = torch.full([int(rows.max()) + 1], -1, device=rows.device)
    last.scatter_reduce_(0, rows[places], torch.arange(len(places), device=rows.device), "amax")
    return places[last[last >= 0]]


def check_budget(*, n_targets: int = 0, target: Tensor | None = None, **counts: int) -> None:
    """Raise UsageError for numbers of steps and the like that are no numbers of steps."""
    if succeeds := [name for name, count in counts.items() if count < 1]:
        raise UsageError(f"{succeeds[0]} must be 1 or more, not {counts[succeeds[0]]}")
    if n_targets < 0:
        raise UsageError(f"targets must be 0 or more, not {n_targets}")
    if n_targets and target is not None:
        raise UsageError("give either target (a class for each row) or targets (how many wrong classes to go for)")


def input_gradient(losses: Tensor, x: Tensor, keep: bool = False) -> Tensor:
    """The gradient of each row's loss `[B]`, `[B, ...]`; UsageError where the model lets none through."""
    gradient = None
    if losses.requires_grad:
        (gradient,) = torch.autograd.grad(losses.sum(), x, allow_unused=True, retain_graph=keep)
    if gradient is None:
        raise UsageError(
            "no gradient flows from the model's logits to its input (a detach, a no_grad, numpy inside?): let it "
            "through, or take the square attack, which needs none"
        )
    return gradient

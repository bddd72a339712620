"""The bookkeeping of one attack: what was found, what it cost, who is still standing. Attacks are loops around this."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sparring.attacks.contract import Model, check, held
from sparring.attacks.losses import Loss, margin
from sparring.attacks.result import Result
from sparring.attacks.threat import Threat
from sparring.engine.errors import UsageError


class Search:
    """One attack under way. `rows` `[R]` are indices into the batch; a row may be looked at at several points at once."""

    def __init__(self, model: Model, x: Tensor, y: Tensor, threat: Threat, target: Tensor | None, eot: int) -> None:
        self.clean = check(model, x, y, threat, target=target)
        """Logits of the data, `[B, K]`."""
        self.model, self.x, self.y, self.threat, self.eot = model, x, y.long(), threat, eot
        self.target = None if target is None else target.long()
        self.region = threat.around(x)
        self.adv = x.clone()
        """The example found for each row, or else its most promising point."""
        self.iterations, self.queries, self.gradients = torch.zeros(3, len(x), dtype=torch.int64, device=x.device)
        self.queries += 1
        everyone = torch.arange(len(x), device=x.device)
        self.broken = self.wrong(self.clean, everyone)
        self._best = self._margin(self.clean, everyone)

    @property
    def standing(self) -> Tensor:
        """Rows that are not broken yet, int64 `[R]`."""
        return (~self.broken).nonzero().squeeze(1)

    def wrong(self, logits: Tensor, rows: Tensor) -> Tensor:
        """True where `logits` `[R, K]` are what the attack is after, bool `[R]`."""
        said = logits.argmax(1)
        return said != self.y[rows] if self.target is None else said == self.target[rows]

    @torch.no_grad()
    def logits(self, at: Tensor, rows: Tensor) -> Tensor:
        """What the model says at the points `at` `[R, ...]`, `[R, K]`; the mean of `eot` passes."""
        self._count(self.queries, rows, self.eot)
        return torch.stack([self.model(at).detach() for _ in range(self.eot)]).mean(0)

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
                logits = self.model(leaf)
                losses = loss(logits, self.y[rows], aim)
                looks.append((logits.detach(), losses.detach(), slope(losses, leaf)))
        self._count(self.queries, rows, self.eot)
        self._count(self.gradients, rows, self.eot)
        if self.eot == 1:
            return looks[0]
        logits, losses, gradient = (torch.stack(parts).mean(0) for parts in zip(*looks, strict=True))
        return logits, losses, gradient

    def note(self, at: Tensor, logits: Tensor, rows: Tensor, iteration: int) -> Tensor:
        """Keep what was seen at `at` in step `iteration`; True where the row is now broken, bool `[R]`.

        Every point given here must be allowed by the threat model.
        """
        hit, margins = self.wrong(logits, rows), self._margin(logits, rows)
        self.iterations[rows] = iteration
        for which in (margins > self._best[rows], hit):  # a row that is there twice keeps one of its points
            found = rows[which]
            self.adv[found], self._best[found] = at[which], margins[which]
        self.broken[rows[hit]] = True
        return self.broken[rows]

    def result(self) -> Result:
        """The verdict: one more pass over all that was found, in the precision of the data."""
        everyone = torch.arange(len(self.x), device=self.x.device)
        logits = self.logits(self.adv, everyone)
        success = self.wrong(logits, everyone) & self.threat.allows(self.adv, self.x)
        margins = self._margin(logits, everyone)
        return Result(self.adv, success, self.iterations, self.queries, self.gradients, margins)

    def _margin(self, logits: Tensor, rows: Tensor) -> Tensor:
        return margin(logits, self.y[rows], None if self.target is None else self.target[rows])

    @staticmethod
    def _count(counter: Tensor, rows: Tensor, times: int) -> None:
        counter.index_add_(0, rows, torch.full_like(rows, times))


@contextmanager
def searching(
    model: Model, x: Tensor, y: Tensor, threat: Threat, *, target: Tensor | None = None, seed: int = 0, eot: int = 1
) -> Iterator[Search]:
    """Check the input, hold the model still, and keep the books of one attack on it."""
    with held(model, seed), torch.no_grad():
        yield Search(model, x, y, threat, target, eot)


def slope(losses: Tensor, x: Tensor) -> Tensor:
    """The gradient of each row's loss `[B]`, `[B, ...]`; UsageError where the model lets none through."""
    gradient = torch.autograd.grad(losses.sum(), x, allow_unused=True)[0] if losses.requires_grad else None
    if gradient is None:
        raise UsageError(
            "no gradient flows from the model's logits to its input (a detach, a no_grad, numpy inside?): let it "
            "through, or take the square attack, which needs none"
        )
    return gradient

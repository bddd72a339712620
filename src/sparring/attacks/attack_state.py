"""State of a running attack: best examples so far, query counts, and which rows are not yet misclassified.

Attacks are loops around this state.
"""

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

BATCH_POINTS = {"cpu": 64, "cuda": 2048}
"""Points per batch, by device type, up to which several target classes of a row are attacked together."""


class AttackState:
    """State of one attack on a batch of B rows.

    `idx` int64 `[R]` are indices into the batch. A row may occur several times, each time with another point.
    """

    def __init__(self, model: Model, x: Tensor, y: Tensor, threat: Threat, target: Tensor | None, eot: int) -> None:
        self.clean_logits = check_inputs(model, x, y, threat, target=target)
        """Logits of the unperturbed data, `[B, K]`."""
        self.model, self.x, self.y, self.threat, self.eot = model, x, y.long(), threat, eot
        self.target = None if target is None else target.long()
        self.region = threat.around(x)
        self.adv = x.clone()
        """Adversarial example of each row, or else the point with the largest margin so far."""
        self.iterations, self.queries, self.gradients = torch.zeros(3, len(x), dtype=torch.int64, device=x.device)
        self.queries += 1
        all_idx = torch.arange(len(x), device=x.device)
        self.success = self.is_adversarial(self.clean_logits, all_idx)
        """True where an adversarial example is known, bool `[B]`."""
        self._best_margin = self.margins(self.clean_logits, all_idx)

    @property
    def unbroken_idx(self) -> Tensor:
        """Indices of the rows without an adversarial example, int64 `[R]`."""
        return (~self.success).nonzero().squeeze(1)

    def is_adversarial(self, logits: Tensor, idx: Tensor) -> Tensor:
        """Return a bool mask `[R]`: the class of `logits` `[R, K]` is wrong, or is the target if there is one."""
        pred = logits.argmax(1)
        return pred != self.y[idx] if self.target is None else pred == self.target[idx]

    @torch.no_grad()
    def logits(self, points: Tensor, idx: Tensor) -> Tensor:
        """Return the logits `[R, K]` at `points` `[R, ...]`, averaged over `eot` passes."""
        self._count(self.queries, idx, self.eot)
        return torch.stack([self._forward(points).detach() for _ in range(self.eot)]).mean(0)

    def gradient(
        self, points: Tensor, idx: Tensor, loss: Loss, target_class: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits `[R, K]`, loss `[R]` and its gradient at `points` `[R, ...]`, averaged over `eot` passes.

        `target_class` `[R]` is passed to the loss; the default is the target of the attack, if it has one.
        """
        if target_class is None and self.target is not None:
            target_class = self.target[idx]
        passes = []
        for _ in range(self.eot):
            leaf = points.detach().requires_grad_()
            with torch.enable_grad():
                logits = self._forward(leaf)
                losses = loss(logits, self.y[idx], target_class)
                passes.append((logits.detach(), losses.detach(), input_gradient(losses, leaf)))
        self._count(self.queries, idx, self.eot)
        self._count(self.gradients, idx, self.eot)
        if self.eot == 1:
            return passes[0]
        logits, losses, gradient = (torch.stack(values).mean(0) for values in zip(*passes, strict=True))
        return logits, losses, gradient

    def jacobian(self, points: Tensor, idx: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `[R, K]` and the gradient of each, `[R, K, ...]`: one forward and K backward passes."""
        leaf = points.detach().requires_grad_()
        with torch.enable_grad():
            logits = self._forward(leaf)
            gradients = [input_gradient(logit, leaf, keep=True) for logit in logits.unbind(1)]
        self._count(self.queries, idx, 1)
        self._count(self.gradients, idx, len(gradients))
        return logits.detach(), torch.stack(gradients, 1)

    def target_groups(self, n_targets: int, restarts: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield (indices of unbroken rows, their targets or None) for each restart; likeliest wrong classes first.

        Several classes of a row share one group where the batch would otherwise be small.
        """
        wrong = self.clean_logits.scatter(1, self.y[:, None], -torch.inf).argsort(1, descending=True)[:, :-1]
        max_points = BATCH_POINTS.get(wrong.device.type, BATCH_POINTS["cpu"])
        for _ in range(restarts):
            if not n_targets and len(self.unbroken_idx):
                yield self.unbroken_idx, None
            first, end = 0, min(n_targets, wrong.shape[1])
            while first < end and len(idx := self.unbroken_idx):
                classes = wrong[idx, first : min(end, first + max(1, max_points // len(idx)))]
                yield idx.repeat_interleave(classes.shape[1]), classes.flatten()
                first += classes.shape[1]

    def record(self, points: Tensor, logits: Tensor, idx: Tensor, iteration: int) -> Tensor:
        """Keep the best of `points` `[R, ...]` of step `iteration`; return a bool mask `[R]` of rows with an example.

        Every point must be allowed by the threat model.
        """
        success, margins = self.is_adversarial(logits, idx), self.margins(logits, idx)
        self.iterations[idx] = iteration
        for mask in (margins > self._best_margin[idx], success):
            kept = best_per_row(idx, mask, margins)
            self.adv[idx[kept]], self._best_margin[idx[kept]] = points[kept], margins[kept]
        self.success[idx[success]] = True
        return self.success[idx]

    def result(self) -> Result:
        """Return the result, verified by one more forward pass over `adv` in the precision of the data."""
        all_idx = torch.arange(len(self.x), device=self.x.device)
        logits = self.logits(self.adv, all_idx)
        success = self.is_adversarial(logits, all_idx) & self.threat.allows(self.adv, self.x)
        margins = self.margins(logits, all_idx)
        distance = self.threat.distance(self.adv, self.x).masked_fill(~success, torch.inf)
        return Result(self.adv, success, self.iterations, self.queries, self.gradients, margins, distance)

    def margins(self, logits: Tensor, idx: Tensor) -> Tensor:
        """Return the margin of `logits` `[R, K]`, `[R]`: above 0 where they are adversarial."""
        return margin(logits, self.y[idx], None if self.target is None else self.target[idx])

    def _forward(self, points: Tensor) -> Tensor:
        """Return the model's logits in the precision of the data; under autocast they come in another."""
        return self.model(points).to(self.x.dtype)

    @staticmethod
    def _count(counter: Tensor, idx: Tensor, times: int) -> None:
        counter.index_add_(0, idx, torch.full_like(idx, times))


@contextmanager
def running_attack(
    model: Model, x: Tensor, y: Tensor, threat: Threat, *, target: Tensor | None = None, seed: int = 0, eot: int = 1
) -> Iterator[AttackState]:
    """Check the inputs, freeze the model, and yield the state of one attack on it."""
    with frozen(model, seed), torch.no_grad():
        yield AttackState(model, x, y, threat, target, eot)


def best_per_row(idx: Tensor, mask: Tensor, margins: Tensor) -> Tensor:
    """Return one position in `idx` `[R]` per distinct row: of the positions in `mask`, that with the largest margin.

    An indexed assignment must not write one row twice: threads would mix the values of several points.
    """
    positions = mask.nonzero().squeeze(1)
    positions = positions[margins[positions].argsort(stable=True)]
    if not len(positions):
        return positions
    last = torch.full([int(idx.max()) + 1], -1, device=idx.device)
    last.scatter_reduce_(0, idx[positions], torch.arange(len(positions), device=idx.device), "amax")
    return positions[last[last >= 0]]


def check_budget(*, n_targets: int = 0, target: Tensor | None = None, **counts: int) -> None:
    """Raise UsageError if a count (`steps`, `restarts`, ...) is below 1, or both `target` and `n_targets` are given."""
    if invalid := [name for name, count in counts.items() if count < 1]:
        raise UsageError(f"{invalid[0]} must be 1 or more, not {counts[invalid[0]]}")
    if n_targets < 0:
        raise UsageError(f"n_targets must be 0 or more, not {n_targets}")
    if n_targets and target is not None:
        raise UsageError("give either target (a class for each row) or n_targets (the number of wrong classes to try)")


def input_gradient(losses: Tensor, x: Tensor, keep: bool = False) -> Tensor:
    """Return the gradient `[B, ...]` of each row's loss `[B]` by `x`; `keep` retains the graph.

    Raises UsageError if no gradient reaches `x`.
    """
    gradient = None
    if losses.requires_grad:
        (gradient,) = torch.autograd.grad(losses.sum(), x, allow_unused=True, retain_graph=keep)
    if gradient is None:
        raise UsageError(
            "no gradient flows from the model's logits to its input (a detach, a no_grad, numpy inside?): let it "
            "through, or use the square attack (version square), which needs no gradient"
        )
    return gradient

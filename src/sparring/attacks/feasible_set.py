"""The feasible set of a threat model: its ball, box, mask and columns around given points, with precomputed bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sparring.attacks.norms import Norm, length, project, unsqueeze_like
from sparring.attacks.tabular_constraints import TabularConstraints


@dataclass(frozen=True, eq=False)
class FeasibleSet:
    """All points that a threat model allows around each row of `x`.

    Attacks move in its continuous relaxation, where integer and one-hot columns take any value between their bounds.
    They evaluate the model at rounded points only.
    """

    norm: Norm
    x: Tensor
    """Centres, `[B, ...]`."""
    eps: Tensor
    """Radius of the ball around each row, `[B]`."""
    low: Tensor
    """Lower bound of each entry, `[B, ...]`, at most x: from box, mask, columns, and the Linf ball."""
    high: Tensor
    """Upper bound of each entry, `[B, ...]`, at least x."""
    columns: TabularConstraints

    def select(self, idx: Tensor) -> FeasibleSet:
        """Return the feasible set of some rows; `idx` is int64 `[R]` or a bool mask `[B]`."""
        return replace(self, x=self.x[idx], eps=self.eps[idx], low=self.low[idx], high=self.high[idx])

    def clip(self, adv: Tensor) -> Tensor:
        """Move `adv` `[B, ...]` into ball and bounds; integer and one-hot columns may lie in between.

        Linf, L1 and L0: the nearest such point. L2: clamped to the bounds, then scaled towards x. Attacks climb better
        from there: APGD broke 22 to 26 of 200 digits, and 16 to 21 from the nearest points (3 seeds, eps 1.5, a robust
        net).
        """
        if self.norm == "L2":
            delta = torch.clamp(adv, self.low, self.high) - self.x
            scale = (self.eps / length("L2", delta).clamp(min=1e-12)).clamp(max=1)
            return self.x + delta * unsqueeze_like(scale, delta)
        return self._nearest(adv)

    def _nearest(self, adv: Tensor) -> Tensor:
        if self.norm == "Linf":
            return torch.clamp(adv, self.low, self.high)
        return self.x + project(self.norm, adv - self.x, self.eps, self.low - self.x, self.high - self.x)

    def round_discrete(self, adv: Tensor) -> Tensor:
        """Round integer columns and make one-hot groups one-hot; the other columns share what is left of the ball."""
        discrete = self.columns.discrete
        if not discrete:
            return adv
        rounded = self.columns.nearest(adv, self.low, self.high)
        fixed = torch.zeros_like(rounded[0], dtype=torch.bool)
        fixed[discrete] = True
        delta = torch.where(fixed, rounded - self.x, 0)
        over = length(self.norm, delta) > self.eps
        if over.any():  # integers truncated towards x, and the categories of x, always fit into the ball
            truncated = self.x + (adv - self.x).trunc()
            grouped = [column for group in self.columns.one_hot for column in group]
            truncated[:, grouped] = self.x[:, grouped]
            delta = torch.where(over[:, None] & fixed, truncated - self.x, delta)
        spent, low, high = length(self.norm, delta), self.low - self.x, self.high - self.x
        rest = project(self.norm, adv - self.x, _remaining(self.norm, self.eps, spent), low * ~fixed, high * ~fixed)
        return torch.where(fixed, self.x + delta, self.x + rest)

    def project(self, adv: Tensor) -> Tensor:
        """Return a feasible point near `adv` `[B, ...]`: the nearest one if no column is discrete."""
        return self.round_discrete(self._nearest(adv))

    def random_point(self, generator: torch.Generator) -> Tensor:
        """Draw a random point of the relaxation, `[B, ...]`, with a CPU `generator`, so the same on every device.

        Linf and L2: on the surface of the ball, then clipped (Croce and Hein 2020). L1: a standard normal perturbation,
        clipped. L0: eps random entries, each uniform between its bounds.
        """
        x = self.x
        draw = torch.rand if self.norm in ("Linf", "L0") else torch.randn
        noise = draw(x.shape, generator=generator, dtype=x.dtype)
        if self.norm == "L0":
            keys = torch.rand(len(x), x[0].numel(), generator=generator).to(x.device)
            selected = (keys.argsort(1).argsort(1) < self.eps[:, None]).view_as(x)
            return torch.where(selected, torch.lerp(self.low, self.high, noise.to(x)), x)
        if self.norm == "Linf":
            noise = 2 * noise - 1
        noise = noise.to(x.device)
        if self.norm != "L1":
            noise = noise * unsqueeze_like(self.eps / length(self.norm, noise).clamp(min=1e-12), x)
        return self.clip(x + noise)

    def steepest(self, gradient: Tensor, points: Tensor) -> Tensor:
        """Return the unit-norm direction of steepest ascent at `points` by `gradient`; all `[B, ...]`.

        L1: one entry, that with the largest slope of those not at their bound. L0, which has no unit ball: the gradient
        over its largest entry. 0 where the gradient is 0.
        """
        if self.norm == "Linf":
            return gradient.sign()
        if self.norm == "L2":
            return gradient / unsqueeze_like(length("L2", gradient), gradient).clamp(min=1e-12)
        if self.norm == "L0":
            return gradient / unsqueeze_like(length("Linf", gradient), gradient).clamp(min=1e-12)
        free = torch.where(gradient > 0, points < self.high, points > self.low)
        slope = (gradient.abs() * free).flatten(1)
        best = slope.argmax(1, keepdim=True)
        direction = torch.zeros_like(slope).scatter_(1, best, (slope.gather(1, best) > 0).to(slope.dtype))
        return direction.view_as(gradient) * gradient.sign()

    def ascend(self, points: Tensor, gradient: Tensor, step_length: Tensor) -> Tensor:
        """Take one projected steepest-ascent step of `step_length` `[B]` from `points` `[B, ...]`."""
        return self.clip(points + unsqueeze_like(step_length, points) * self.steepest(gradient, points))


def _remaining(norm: Norm, eps: Tensor, spent: Tensor) -> Tensor:
    """Return the radius `[B]` left to the other entries once some have used a length of `spent` `[B]`."""
    if norm == "Linf":
        return eps
    if norm == "L2":
        return (eps.square() - spent.square()).clamp(min=0).sqrt()
    return (eps - spent).clamp(min=0)

"""Fair classification as a game of a learner and multipliers (Agarwal et al. 2018, arXiv:1803.02453).

A cell is a group within a stratum of the notion. Its constraint is |E[h | cell] - E[h | stratum]| <= slack. The
multipliers play exponentiated gradient, the learner answers by a cost for each decision: it minimises a weighted cross
entropy with changed labels. The answer is a mixture of learners, for the game has no other equilibrium.

Differences: the learner goes on from its weights in place of a fresh one for each change of the multipliers, and the
mixture holds the last of them alone, since the first ones are not fair yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch, Stats
from sparring.engine.precision import at_least_float32
from sparring.games.fair_games import group_of
from sparring.games.fairness import Notion
from sparring.games.semi_supervised import AugmentFn
from sparring.nets.mixture import Mixture


class Multipliers(nn.Module):
    """The multipliers of all cells, and what is counted for their next step; all of it is state that must survive."""

    theta: Tensor
    counts: Tensor
    in_period: Tensor
    positive: Tensor
    period: Tensor

    def __init__(self, strata: int, groups: int, bound: float, rate: float, slack: float) -> None:
        super().__init__()
        self.bound, self.rate, self.slack = bound, rate, slack
        self.register_buffer("theta", torch.zeros(2, strata, groups))
        for name in ("counts", "in_period", "positive"):
            self.register_buffer(name, torch.zeros(strata, groups))
        self.register_buffer("period", torch.zeros((), dtype=torch.int64))

    @property
    def values(self) -> Tensor:
        """Return lambda+ - lambda- of each cell `[strata, groups]`: B exp(theta) / (1 + sum exp(theta))."""
        peak = self.theta.amax().clamp_min(0)
        weights = (self.theta - peak).exp()
        both = self.bound * weights / ((-peak).exp() + weights.sum())
        return both[0] - both[1]

    def count(self, cells: Tensor, decisions: Tensor) -> None:
        """Add the decisions for the second class, bool `[B]`, of rows in cells, bool `[strata, groups, B]`."""
        inside = cells.float()
        self.counts += inside.sum(2)
        self.in_period += inside.sum(2)
        self.positive += (inside * decisions).sum(2)

    def step(self) -> None:
        """Move the multipliers by the gaps that were counted, and begin to count anew."""
        rates = self.positive / self.in_period.clamp_min(1)
        whole = self.positive.sum(1, keepdim=True) / self.in_period.sum(1, keepdim=True).clamp_min(1)
        gap = (rates - whole) * (self.in_period > 0)
        self.theta += self.rate * torch.stack([gap - self.slack, -gap - self.slack])
        self.in_period.zero_()
        self.positive.zero_()


class ReductionGame:
    """A game of `classifier`, a mixture, and `multipliers`, which have no turn (`engine.game.Game`).

    The run has `periods` of equal length, each with its own multipliers; the last ones have a copy of the learner each.
    """

    turns: Sequence[str] = ("classifier",)

    def __init__(
        self, mixture: Mixture, multipliers: Multipliers, notion: Notion, change: AugmentFn, periods: int
    ) -> None:
        self.players: Mapping[str, nn.Module] = {"classifier": mixture, "multipliers": multipliers}
        self._mixture, self._multipliers, self._notion = mixture, multipliers, notion
        self._change, self._periods = change, periods

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the cost-sensitive loss of the copy that learns, its accuracy, and the largest multiplier."""
        self._advance(at)
        logits = at_least_float32(self._mixture.learner(self._change(batch.x, batch)))
        cells = self._cells(batch)
        decisions = logits.argmax(1)
        self._multipliers.count(cells, decisions == 1)
        cost = 1.0 - 2.0 * batch.y + self._fairness_cost(cells)
        target, weight = (cost < 0).long(), cost.abs()
        loss = (weight * cross_entropy(logits, target, reduction="none")).mean()
        accuracy = (decisions == batch.y).float().mean()
        return loss, {"accuracy": accuracy, "multiplier": self._multipliers.values.abs().max()}

    def _advance(self, at: float) -> None:
        """Move the multipliers where a period is over, and from then on train the next copy near the end."""
        period = min(int(at * self._periods), self._periods - 1)
        if period == int(self._multipliers.period):
            return
        self._multipliers.period.fill_(period)
        self._multipliers.step()
        if self._periods - period < len(self._mixture.members):
            self._mixture.advance()

    def _cells(self, batch: Batch) -> Tensor:
        """Return which rows are in which cell, bool `[strata, groups, B]`."""
        group = group_of(batch)
        strata = [stratum for stratum, _ in self._notion.strata(batch.y)]
        return torch.stack([torch.stack([s & (group == k) for k in range(self._notion.groups)]) for s in strata])

    def _fairness_cost(self, cells: Tensor) -> Tensor:
        """Return what the decision for the second class adds to the constraints, `[B]`."""
        counts, values = self._multipliers.counts, self._multipliers.values
        total = counts.sum().clamp_min(1)
        of_cell = values / (counts / total).clamp_min(1e-6)
        of_stratum = values.sum(1) / (counts.sum(1) / total).clamp_min(1e-6)
        return ((of_cell - of_stratum[:, None])[..., None] * cells).sum((0, 1))

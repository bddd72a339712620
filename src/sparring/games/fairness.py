"""Losses that compare groups: gaps of a notion of fairness, dependence, and weights of a group adversary.

A notion defines which rows are compared (Barocas, Hardt and Narayanan 2023, chapter 3). `parity` compares the answers
of all rows, `odds` those of each class, `opportunity` the correct answers of one class, or of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

NOTIONS = ("parity", "odds", "opportunity")
BANDWIDTH = 0.5
"""Width of the kernel of `hsic`, in units of probabilities."""


@dataclass(frozen=True)
class Notion:
    """Which rows a notion of fairness compares, and by which of their answers."""

    name: str
    """One of NOTIONS."""
    groups: int
    """Number of groups."""
    classes: int
    """Number of classes."""
    positive: int | None = None
    """Class of `opportunity`; None: each class."""

    def strata(self, y: Tensor) -> Iterator[tuple[Tensor, list[int]]]:
        """Yield which rows of labels `[B]` are compared with each other, bool `[B]`, and by which classes' answers."""
        every = list(range(self.classes))
        if self.name == "parity":
            yield torch.ones_like(y, dtype=torch.bool), every
        elif self.name == "odds":
            yield from ((y == k, every) for k in every)
        else:
            yield from ((y == k, [k]) for k in (every if self.positive is None else [self.positive]))

    @property
    def uses_labels(self) -> bool:
        """True where rows of different classes are not compared."""
        return self.name != "parity"

    def weights(self, y: Tensor, group: Tensor) -> Tensor:
        """Return weights `[B]` by which each group of each stratum counts the same; they sum to 1, or to 0."""
        weights = torch.zeros(len(y), device=y.device)
        for stratum, _ in self.strata(y):
            for k in range(self.groups):
                cell = stratum & (group == k)
                weights += cell / cell.sum().clamp_min(1)
        return weights / weights.sum().clamp_min(1e-12)


Penalty = Callable[[Tensor, Tensor, Tensor, Notion], Tensor]
"""(probabilities `[B, K]`, labels `[B]`, groups `[B]`, notion) -> a scalar that is 0 where groups are treated alike."""


def gap_penalty(p: Tensor, y: Tensor, group: Tensor, notion: Notion) -> Tensor:
    """Return the difference of the groups' mean probabilities, the largest of all pairs, mean over classes and strata.

    For two groups and two classes it is |E[p | a = 1] - E[p | a = 0]| (DiffDP and DiffEO; Chuang and Mroueh 2021, Eq.
    2 without mixing). A group without a row in the batch does not count.
    """
    gaps = []
    for stratum, columns in notion.strata(y):
        cells = [stratum & (group == k) for k in range(notion.groups)]
        means = [p[cell][:, columns].mean(0) for cell in cells if bool(cell.any())]
        if len(means) > 1:
            stacked = torch.stack(means)
            gaps.append((stacked.amax(0) - stacked.amin(0)).mean())
    return torch.stack(gaps).mean() if gaps else p.sum() * 0


def hsic(p: Tensor, y: Tensor, group: Tensor, notion: Notion) -> Tensor:
    """Return the dependence of probabilities and groups, tr(KHLH)/(n - 1)^2, mean over strata (Gretton et al. 2005).

    K is a Gaussian kernel of the probabilities, L is 1 within a group. It is 0 where the distributions are equal, not
    only their means.
    """
    values = []
    for stratum, columns in notion.strata(y):
        rows = stratum & (group >= 0)
        count = int(rows.sum())
        if count < 2:
            continue
        q, member = p[rows][:, columns], one_hot(group[rows], notion.groups).to(p.dtype)
        kernel = (-(q[:, None] - q[None]).square().sum(2) / (2 * BANDWIDTH**2)).exp()
        centred = member - member.mean(0)
        values.append((centred * (kernel @ centred)).sum() / (count - 1) ** 2)  # tr(K (HM)(HM)') with L = MM'
    return torch.stack(values).mean() if values else p.sum() * 0

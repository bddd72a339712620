"""Thresholds for each group: rules that are made from the probabilities of a classifier and from the group itself.

They need the group at prediction. Parity and opportunity fix one rate of each group, which a threshold can (Corbett-
Davies et al. 2017). Odds fix two, which needs answers by chance (Hardt et al. 2016, arXiv:1610.02413).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.measure.fairness.gaps import Answers

STEPS = 200
"""Rates among which the best common one is searched."""


@dataclass(frozen=True)
class Rule:
    """How one group is answered: above `upper` yes, above `lower` by `between`, and some at random."""

    lower: float
    upper: float
    between: float
    """Probability of a yes between the thresholds."""
    random: float = 0.0
    """Proportion of answers that ignore the probability."""
    rate: float = 0.0
    """Probability of a yes in these."""

    def yes(self, p: Tensor) -> Tensor:
        """Return the probability of a yes for probabilities `[n]`."""
        by_threshold = (p > self.upper).double() + self.between * ((p > self.lower) & (p <= self.upper)).double()
        return (1 - self.random) * by_threshold + self.random * self.rate


def fit_rules(answers: Answers, groups: int, notion: str, positive: int = 1) -> list[Rule]:
    """Return the rule of each group that is most accurate on these answers of two classes, with a gap of 0.

    `positive` is the class of opportunity.
    """
    p, labels = answers.scores[:, 1], answers.labels
    members = [(p[answers.groups == k], labels[answers.groups == k]) for k in range(groups)]
    if notion == "odds":
        return _equal_odds(members)
    compared = [scores if notion == "parity" else scores[y == positive] for scores, y in members]
    best: tuple[float, list[Rule]] = (-1.0, [])
    for step in range(STEPS + 1):
        rules = [_rule_of_rate(scores, step / STEPS) for scores in compared]
        accuracy = sum(_correct(rule, *member) for rule, member in zip(rules, members, strict=True))
        if accuracy > best[0]:
            best = accuracy, rules
    return best[1]


def apply_rules(answers: Answers, rules: Sequence[Rule]) -> Answers:
    """Return the same answers by the rule of each group; rows of unknown group keep theirs."""
    decisions = answers.decisions.clone()
    for k, rule in enumerate(rules):
        rows = answers.groups == k
        yes = rule.yes(answers.scores[rows, 1])
        decisions[rows] = torch.stack([1 - yes, yes], 1)
    return Answers(decisions, answers.scores, answers.labels, answers.groups)


def _correct(rule: Rule, p: Tensor, y: Tensor) -> float:
    yes = rule.yes(p)
    return float(torch.where(y == 1, yes, 1 - yes).sum())


def _rule_of_rate(p: Tensor, rate: float) -> Rule:
    """Return the threshold above which a proportion `rate` of `p` lies; ties are split by chance."""
    ordered = p.sort(descending=True).values
    count = rate * len(ordered)
    if count < 1e-9:
        return Rule(float("inf"), float("inf"), 0.0)
    cut = float(ordered[min(int(count - 1e-9), len(ordered) - 1)])
    above, at = int((p > cut).sum()), int((p == cut).sum())
    below = float(torch.nextafter(torch.tensor(cut, dtype=torch.float64), torch.tensor(-1.0, dtype=torch.float64)))
    return Rule(below, cut, (count - above) / at)


def _equal_odds(members: Sequence[tuple[Tensor, Tensor]]) -> list[Rule]:
    """Return rules of equal false and true positive rates: the best point that lies below the curves of all groups."""
    curves = [_hull(p, y) for p, y in members]
    yes = sum(float((y == 1).sum()) for _, y in members)
    no = sum(float((y == 0).sum()) for _, y in members)
    grid = [step / STEPS for step in range(STEPS + 1)]
    reached = [min(_height(curve, x) for curve in curves) for x in grid]
    k = max(range(len(grid)), key=lambda k: yes * reached[k] - no * grid[k])
    return [_rule_at(curve, grid[k], reached[k]) for curve in curves]


def _hull(p: Tensor, y: Tensor) -> list[tuple[float, float, float]]:
    """Return the corners of the upper hull of a group's ROC curve: false and true positive rate, and threshold."""
    values, place = torch.unique(p, return_inverse=True)
    hits, misses = (torch.zeros(len(values)).double().index_add_(0, place, (y == k).double()) for k in (1, 0))
    true = torch.cat([torch.zeros(1), hits.flip(0).cumsum(0)]).double() / hits.sum().clamp_min(1)
    false = torch.cat([torch.zeros(1), misses.flip(0).cumsum(0)]).double() / misses.sum().clamp_min(1)
    below = torch.cat([torch.tensor([2.0]).double(), values.flip(0).double()])  # yes at or above it
    hull: list[tuple[float, float, float]] = []
    for point in zip(false.tolist(), true.tolist(), below.tolist(), strict=True):
        while len(hull) > 1 and _turns_up(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _turns_up(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0


def _around(hull: Sequence[tuple[float, float, float]], x: float) -> tuple[int, float]:
    """Return the corner to the left of a false positive rate, and how far it lies towards the next one."""
    for k in range(len(hull) - 1):
        left, right = hull[k][0], hull[k + 1][0]
        if x <= right:
            return k, (x - left) / (right - left) if right > left else 1.0
    return len(hull) - 2, 1.0


def _height(hull: Sequence[tuple[float, float, float]], x: float) -> float:
    k, part = _around(hull, x)
    return hull[k][1] + part * (hull[k + 1][1] - hull[k][1])


def _rule_at(hull: Sequence[tuple[float, float, float]], x: float, y: float) -> Rule:
    """Return the rule of rates (x, y): two thresholds on the hull, and answers at random down to y."""
    k, part = _around(hull, x)
    height = _height(hull, x)
    random = (height - y) / (height - x) if height > x else 0.0
    just = torch.tensor(-1.0, dtype=torch.float64)
    upper, lower = (float(torch.nextafter(torch.tensor(hull[i][2], dtype=torch.float64), just)) for i in (k, k + 1))
    return Rule(lower, upper, part, random, x)

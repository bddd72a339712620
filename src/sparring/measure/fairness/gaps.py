"""Gaps between groups: parity, odds, opportunity and the distribution of probabilities, each with its interval.

The definitions are those of fairlearn: the gap is the largest difference of any two groups, and that of odds the larger
one of its two (in general: the largest of all classes). With several classes a gap is that of the class in which it is
largest. Decisions may be probabilities of a decision, as those of a randomised rule are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from sparring.stats.differences import Mean, largest_difference, mean_of_proportions
from sparring.stats.intervals import Interval, Z

MIN_ROWS = 30
"""Fewest rows of a group, of a class in it where classes are compared, whose rate counts for a gap."""
GRID = 200
"""Thresholds at which two distributions of probabilities are compared."""


@dataclass(frozen=True)
class Answers:
    """Answers of a classifier to examples whose classes and groups are known."""

    decisions: Tensor
    """Probability of each decision `[N, K]`, float64: one-hot, but for randomised rules."""
    scores: Tensor
    """Probability of each class `[N, K]`, float64."""
    labels: Tensor
    """int64 `[N]`."""
    groups: Tensor
    """int64 `[N]`, -1 = unknown."""

    @classmethod
    def of_scores(cls, scores: Tensor, labels: Tensor, groups: Tensor) -> Answers:
        """Return the answers of a classifier that decides for the likeliest class."""
        decisions = one_hot(scores.argmax(1), scores.shape[1]).double()
        return cls(decisions, scores.double(), labels, groups)

    @property
    def correct(self) -> Tensor:
        """Probability of a correct decision `[N]`."""
        return self.decisions.gather(1, self.labels[:, None]).squeeze(1)


@dataclass(frozen=True)
class GroupResult:
    """How a classifier treats one group."""

    rows: int
    accuracy: Interval
    balanced_accuracy: Interval
    """Mean of the proportions of correct answers in each class."""
    rates: tuple[float, ...]
    """Proportion of each answer."""


@dataclass(frozen=True)
class FairnessResult:
    """Accuracy and gaps of a classifier on examples that it was not trained on."""

    rows: int
    accuracy: Interval
    balanced_accuracy: Interval
    parity: Interval
    """Largest difference of two groups in the proportion of an answer."""
    odds: Interval
    """Largest difference of two groups in the proportion of an answer among the rows of a class."""
    opportunity: Interval
    """Largest difference of two groups in the proportion of correct answers of the positive class, or of a class."""
    distribution: Interval
    """Largest area between the cumulative distributions of a class's probability in two groups (ABCC)."""
    by_group: dict[str, GroupResult]

    def gap(self, notion: str) -> Interval:
        """Return the gap of a notion of fairness."""
        result: Interval = getattr(self, notion)
        return result


def measure_fairness(answers: Answers, groups: Sequence[str], positive: int | None = None) -> FairnessResult:
    """Return accuracy and gaps; `positive` is the class of opportunity (None: each class).

    Groups, and classes in them, of fewer than MIN_ROWS rows count for no gap.
    """
    classes = answers.scores.shape[1]
    every = torch.ones_like(answers.labels, dtype=torch.bool)
    of_class = [answers.labels == k for k in range(classes)]
    wanted = range(classes) if positive is None else [positive]
    return FairnessResult(
        rows=len(every),
        accuracy=mean_of_proportions([_mean(answers.correct, every)]),
        balanced_accuracy=_balanced(answers, every),
        parity=largest_difference(_pairs(answers, len(groups), [(every, k) for k in _columns(classes)])),
        odds=largest_difference(
            _pairs(answers, len(groups), [(stratum, k) for stratum in of_class for k in _columns(classes)])
        ),
        opportunity=largest_difference(_pairs(answers, len(groups), [(of_class[k], k) for k in wanted])),
        distribution=distribution_gap(answers, len(groups)),
        by_group={
            name: _group_result(answers, answers.groups == k)
            for k, name in enumerate(groups)
            if bool((answers.groups == k).any())
        },
    )


def _columns(classes: int) -> range:
    """Return the answers that differ: of two the one mirrors the other."""
    return range(1, 2) if classes == 2 else range(classes)


def _mean(values: Tensor, rows: Tensor) -> Mean:
    count = int(rows.sum())
    return Mean(float(values[rows].mean()) if count else 0.0, count)


def _pairs(answers: Answers, groups: int, cells: Sequence[tuple[Tensor, int]]) -> list[tuple[Mean, Mean]]:
    """Return the rates of an answer in some rows, for each pair of groups that have enough of these."""
    pairs = []
    for rows, answer in cells:
        means = [_mean(answers.decisions[:, answer], rows & (answers.groups == k)) for k in range(groups)]
        pairs += list(combinations([mean for mean in means if mean.count >= MIN_ROWS], 2))
    return pairs


def _balanced(answers: Answers, rows: Tensor) -> Interval:
    recalls = [_mean(answers.correct, rows & (answers.labels == k)) for k in range(answers.scores.shape[1])]
    return mean_of_proportions([recall for recall in recalls if recall.count])


def _group_result(answers: Answers, rows: Tensor) -> GroupResult:
    rates = tuple(answers.decisions[rows].mean(0).tolist())
    accuracy = mean_of_proportions([_mean(answers.correct, rows)])
    return GroupResult(int(rows.sum()), accuracy, _balanced(answers, rows), rates)


# distributions


def distribution_gap(answers: Answers, groups: int) -> Interval:
    """Return the largest area between two groups' cumulative distributions of a class's probability, in [0, 1].

    The area is the distance by which probabilities would have to be moved (Wasserstein; ABCC of Han et al. 2023,
    arXiv:2306.09468). Its interval is that of the same area with the sign of the difference fixed at each threshold
    where it is certain, and elsewhere that of the whole: a difference of two means. An area itself is never negative,
    so that chance makes it larger.
    """
    members = [answers.scores[answers.groups == k] for k in range(groups)]
    cases = [
        (a[:, answer], b[:, answer])
        for a, b in combinations([each for each in members if len(each) >= MIN_ROWS], 2)
        for answer in _columns(answers.scores.shape[1])
    ]
    if not cases:
        return Interval(float("nan"), 0.0, 1.0)
    areas = [float((_cumulative(a) - _cumulative(b)).abs().mean()) for a, b in cases]
    value = max(areas)
    low, high = _signed_ends(*cases[areas.index(value)])
    return Interval(value, min(low, value), min(max(high, value), 1.0))


def _cumulative(scores: Tensor) -> Tensor:
    """Return the proportion of scores `[n]` up to each of GRID thresholds, `[GRID]`."""
    return torch.histc(scores.clamp(0, 1), GRID, 0, 1).double().cumsum(0) / len(scores)


def _signed_ends(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the area between the distributions of scores `[n]` and `[m]`."""
    below = [_cumulative(a), _cumulative(b)]
    difference = below[0] - below[1]
    error = sum(p * (1 - p) / len(x) for p, x in zip(below, (a, b), strict=True))
    overall = 1.0 if float(difference.sum()) >= 0 else -1.0
    sign = torch.where(difference.square() > Z**2 * torch.as_tensor(error), difference.sign(), overall)
    weight = sign.flip(0).cumsum(0).flip(0) / GRID  # of a score in each bin: the thresholds above it
    means, variance = [], 0.0
    for scores in (a, b):
        values = weight[(scores.clamp(0, 1) * GRID).long().clamp_max(GRID - 1)]
        means.append(float(values.mean()))
        variance += float(values.var()) / len(values)
    area, half = means[0] - means[1], Z * variance**0.5
    low, high = area - half, area + half
    return (0.0, max(high, -low)) if low <= 0 <= high else (min(abs(low), abs(high)), max(abs(low), abs(high)))

"""Choose among adapted classifiers without target labels: veto what collapsed, rank the rest by three scores.

No single score is safe: each one that was published rewards some collapse. So a candidate must first pass checks that a
collapse fails. Three scores of different kinds then rank the others. Source only is always a candidate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean
from typing import Any

from sparring.measure.domains.label_shift import LabelShift
from sparring.stats.intervals import Z

MAX_SOURCE_LOSS = 0.03
"""Accuracy on the source that a candidate may lose against source only, beyond the error of either."""
MAX_SHARE_RATIO = 4.0
"""Factor by which a class's share of the answers may leave its estimated share."""
ORDER = "source_only", "coral", "mcc", "dann", "cdan", "adda", "mcd", "teacher"
"""Candidates from simple to elaborate: of equal ranks the simpler one is chosen."""
DEAD, SATURATED = 0.02, 0.995
"""A critic this near to 50 % throughout is dead; one with this accuracy at the end is saturated."""
SOURCE_ONLY = "source_only"
CLOSE = 0.02
"""Difference of information in nats that does not count."""
RULE = (
    "vetoes first (accuracy on the source, less information than source only, class shares, critic); then the mean of "
    "the ranks by accuracy on the source, by information and by the accuracy that confidences estimate; ties go to "
    "more information, or within .02 nats to the simpler one"
)


@dataclass(frozen=True)
class CandidateScores:
    """Scores of a candidate without target labels."""

    name: str
    source_accuracy: float
    """Accuracy on held-out source rows."""
    source_rows: int
    """Number of these rows."""
    weighted_risk: float
    """Importance-weighted log loss on held-out source rows; no part of the choice."""
    dev: float
    """Deep embedded validation risk; no part of the choice."""
    information: float
    """H(mean p) - mean H(p) on held-out target rows, in nats; higher is better."""
    entropy: float
    """Mean entropy of the answers on held-out target rows, in nats; no part of the choice."""
    density: float
    """Soft neighbourhood density; no part of the choice."""
    estimated_accuracy: float
    """Accuracy on the target, estimated by confidences (ATC)."""
    shares: tuple[float, ...]
    """Class shares of the answers on held-out target rows."""
    critic: tuple[float, ...] = ()
    """Accuracy of the domain critic over the run; empty without one."""
    minutes: float = 0.0
    """Training time."""
    vetoes: tuple[str, ...] = ()
    """Reasons why it cannot be chosen."""
    rank: float | None = None
    """Mean rank, 1 is best; None with a veto."""
    target_accuracy: float | None = None
    """Accuracy on labelled target rows, where labels are known; no part of the choice."""

    @property
    def variance(self) -> float:
        """Variance of the accuracy on the source."""
        return self.source_accuracy * (1 - self.source_accuracy) / self.source_rows

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CandidateScores:
        """Return what `dataclasses.asdict` and JSON made of one."""
        named: dict[str, Any] = {field.name: values[field.name] for field in fields(cls)}
        for name, value in named.items():
            named[name] = tuple(value) if isinstance(value, list) else value
        return cls(**named)


def find_vetoes(candidate: CandidateScores, baseline: CandidateScores, shift: LabelShift) -> tuple[str, ...]:
    """Return the reasons why a candidate cannot be chosen; `baseline` is source only, which is never refused."""
    if candidate.name == baseline.name:
        return ()
    reasons = []
    loss = baseline.source_accuracy - candidate.source_accuracy
    if loss > MAX_SOURCE_LOSS + Z * math.sqrt(sum(each.variance for each in (candidate, baseline))):
        reasons.append(f"accuracy on the source {100 * loss:.1f} points below source only")
    if candidate.information < baseline.information - CLOSE:
        reasons.append(f"information {candidate.information:.2f} nats, source only has {baseline.information:.2f}")
    if worst := _worst_share(candidate, shift):
        reasons.append(worst)
    if candidate.critic and max(abs(accuracy - 0.5) for accuracy in candidate.critic) <= DEAD:
        reasons.append("the critic is dead: it never separated the domains")
    if candidate.critic and candidate.critic[-1] >= SATURATED:
        reasons.append("the critic is saturated: it always separates the domains")
    return tuple(reasons)


def _worst_share(candidate: CandidateScores, shift: LabelShift) -> str:
    """Return which class has far more or fewer answers than its estimated share, and than its share in the source.

    It counts where the answers that are too many, or too few, of all classes exceed `shift.errors`.
    """
    missing = surplus = 0.0
    least = 1 / len(shift.classes) / MAX_SHARE_RATIO  # of a class that is rare by chance
    worst, reason = MAX_SHARE_RATIO, ""
    ends = zip(shift.classes, candidate.shares, shift.source, shift.low, shift.high, strict=True)
    for name, share, of_source, low, high in ends:
        low, high = min(low, of_source), max(high, of_source, least)
        missing, surplus = missing + max(low - share, 0), surplus + max(share - high, 0)
        ratio = max(low / max(share, 1e-9), share / high)
        if ratio > worst:
            worst = ratio
            reason = f"class '{name}' has {share:.1%} of the answers, {low:.1%} to {high:.1%} are plausible"
    return reason if max(missing, surplus) > shift.errors else ""


def mean_ranks(candidates: Sequence[CandidateScores]) -> list[float]:
    """Return the mean of each candidate's ranks by three scores; equal values share a rank.

    These are the accuracy on the source, the information, and the accuracy that confidences estimate on the target.
    """
    scores = [(each.source_accuracy, each.information, each.estimated_accuracy) for each in candidates]
    ranks = [_ranks([-value for value in values]) for values in zip(*scores, strict=True)]
    return [fmean(each) for each in zip(*ranks, strict=True)]


def _ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1, the smallest value first; equal values share the mean of theirs."""
    return [1 + sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2
            for value in values]  # fmt: skip


def choose(candidates: Sequence[CandidateScores]) -> str:
    """Return the name of the candidate with the lowest mean rank among those with one.

    Of equal ones it is that with more information, and where these differ by less than CLOSE, the simplest.
    """
    lowest = min(each.rank for each in candidates if each.rank is not None)
    best = [each for each in candidates if each.rank == lowest]
    most = max(each.information for each in best)
    close = [each for each in best if each.information >= most - CLOSE]
    return min(close, key=lambda each: simplicity(each.name)).name


def simplicity(name: str) -> int:
    """Return the place of a candidate in ORDER; that of unknown ones is behind it."""
    return ORDER.index(name) if name in ORDER else len(ORDER)

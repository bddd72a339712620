"""Accuracy against a gap: which candidates no other one beats, the baselines, and the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from sparring.measure.fairness.gaps import Answers, FairnessResult

Point = tuple[float, float]
"""(gap, accuracy)."""


def front(points: Mapping[str, Point]) -> list[str]:
    """Return the names of the points that no other one beats, by gap: none has a smaller gap and a higher accuracy."""
    ordered = sorted(points, key=lambda name: (points[name][0], -points[name][1]))
    kept: list[str] = []
    best = -1.0
    for name in ordered:
        if points[name][1] > best:
            kept.append(name)
            best = points[name][1]
    return kept


def area_over(points: Sequence[Point], worst: Point) -> float:
    """Return the area between the front of points and a gap and accuracy that are worse than all, in [0, 1].

    0: the front is nowhere; larger is better.
    """
    names = {str(k): point for k, point in enumerate(points) if point[0] <= worst[0] and point[1] >= worst[1]}
    edges = [*(names[name] for name in front(names)), (worst[0], 0.0)]
    return sum((b[0] - a[0]) * (a[1] - worst[1]) for a, b in zip(edges, edges[1:], strict=False))


def majority(answers: Answers) -> float:
    """Return the accuracy of one answer for all rows, whose gaps are 0."""
    return float(answers.labels.bincount(minlength=answers.scores.shape[1]).max() / len(answers.labels))


def mutation(plain: FairnessResult, notion: str, constant: float, gap: float) -> float:
    """Return the accuracy at a `gap` of the plain answers of which some, at random, become the commonest class.

    It is what no method needs to be better than chance for (Fairea; Hort et al. 2021, arXiv:2105.11793): with a
    proportion m of mutated answers every gap shrinks by m, and accuracy falls by m towards the majority's.
    """
    whole = plain.gap(notion).value
    kept = min(gap / whole, 1.0) if whole > 0 else 1.0
    return constant + kept * (plain.accuracy.value - constant)


def choose(results: Mapping[str, FairnessResult], notion: str, limit: float) -> str | None:
    """Return the most accurate candidate whose gap is `limit` or less; None where there is none.

    Of equal accuracies the first one is chosen.
    """
    eligible = [name for name, result in results.items() if result.gap(notion).value <= limit]
    return max(eligible, key=lambda name: results[name].accuracy.value) if eligible else None


def smallest_gap(results: Mapping[str, FairnessResult], notion: str) -> str:
    """Return the candidate of the smallest gap."""
    return min(results, key=lambda name: results[name].gap(notion).value)


def group_sizes(groups: Tensor, count: int) -> list[int]:
    """Return the number of rows of each group."""
    sizes: list[int] = groups[groups >= 0].bincount(minlength=count).tolist()
    return sizes

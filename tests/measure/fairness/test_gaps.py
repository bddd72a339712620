"""Gaps by fairlearn's definitions, by hand; intervals cover in simulation; fronts, baselines and the choice."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from sparring.measure.fairness import gaps
from sparring.measure.fairness.fronts import area_over, choose, front, mutation
from sparring.measure.fairness.gaps import Answers, FairnessResult, measure_fairness
from sparring.stats.differences import Mean, largest_difference, mean_of_proportions
from sparring.stats.intervals import Interval

SEX = ("f", "m")


def answers(counts: dict[tuple[int, int, int], int], classes: int = 2) -> Answers:
    """Rows (group, label, decision) -> how many."""
    rows = torch.tensor([row for row, count in counts.items() for _ in range(count)])
    decisions = one_hot(rows[:, 2], classes).double()
    return Answers(decisions, decisions, rows[:, 1], rows[:, 0])


TABLE = answers(
    {
        (0, 0, 0): 60,
        (0, 0, 1): 20,
        (0, 1, 0): 10,
        (0, 1, 1): 30,
        (1, 0, 0): 30,
        (1, 0, 1): 30,
        (1, 1, 0): 4,
        (1, 1, 1): 36,
    }
)


def test_the_definitions_of_fairlearn_by_hand() -> None:
    result = measure_fairness(TABLE, SEX, positive=1)
    selected = 66 / 100 - 50 / 120
    false_positive, true_positive = 30 / 60 - 20 / 80, 36 / 40 - 30 / 40
    assert result.parity.value == pytest.approx(selected)  # demographic_parity_difference
    assert result.odds.value == pytest.approx(max(false_positive, true_positive))  # equalized_odds_difference
    assert result.opportunity.value == pytest.approx(true_positive)  # equal_opportunity_difference
    assert result.accuracy.value == pytest.approx((60 + 30 + 30 + 36) / 220)
    men = result.by_group["m"]
    assert men.rows == 100 and men.accuracy.value == pytest.approx(0.66)
    assert men.balanced_accuracy.value == pytest.approx((0.5 + 0.9) / 2) and men.rates == pytest.approx((0.34, 0.66))


def test_intervals_hold_their_values() -> None:
    result = measure_fairness(TABLE, SEX)
    for interval in (result.parity, result.odds, result.opportunity, result.distribution, result.accuracy):
        assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_the_area_between_distributions_is_that_of_shifted_ones() -> None:
    scores = torch.linspace(0, 0.5, 2001, dtype=torch.float64)
    p = torch.cat([scores, scores + 0.3])
    both = torch.stack([1 - p, p], 1)
    groups, labels = torch.arange(len(p)) // len(scores), torch.zeros(len(p)).long()
    result = measure_fairness(Answers.of_scores(both, labels, groups), SEX)
    assert result.distribution.value == pytest.approx(0.3, abs=0.01)


def test_small_groups_and_unknown_ones_count_for_no_gap() -> None:
    extra = answers({(1, 0, 1): gaps.MIN_ROWS - 1, (-1, 0, 0): 500})
    both = Answers(
        *(torch.cat([getattr(x, f) for x in (TABLE, extra)]) for f in ("decisions", "scores", "labels", "groups"))
    )
    moved = replace(
        both, groups=torch.where((both.groups == 1) & (torch.arange(len(both.groups)) >= 220), 2, both.groups)
    )
    result = measure_fairness(moved, ("f", "m", "rare"))
    assert result.parity.value == pytest.approx(66 / 100 - 50 / 120) and set(result.by_group) == {"f", "m", "rare"}
    alone = measure_fairness(answers({(0, 0, 0): 50, (1, 1, 1): 3}), SEX)
    assert math.isnan(alone.parity.value) and (alone.parity.low, alone.parity.high) == (0, 1)


def test_of_several_classes_the_largest_gap_counts() -> None:
    counts = {(0, 0, 0): 50, (0, 0, 1): 30, (0, 0, 2): 20, (1, 0, 0): 50, (1, 0, 1): 10, (1, 0, 2): 40}
    result = measure_fairness(answers(counts, 3), SEX)
    assert result.parity.value == pytest.approx(0.2) and result.odds.value == pytest.approx(0.2)


def test_randomised_decisions_count_by_their_probabilities() -> None:
    d = torch.tensor([[0.7, 0.3]] * 100 + [[0.5, 0.5]] * 100, dtype=torch.float64)
    groups = torch.arange(200) // 100
    result = measure_fairness(Answers(d, d, torch.zeros(200).long(), groups), SEX)
    assert result.parity.value == pytest.approx(0.2) and result.accuracy.value == pytest.approx(0.6)


def _coverage(rates: list[list[float]], size: int, runs: int = 2000) -> float:
    """Proportion of simulations in which the largest difference of the rows of `rates` is covered."""
    truth = max(abs(a - b) for a, b in rates)
    generator = torch.Generator().manual_seed(0)
    p = torch.tensor(rates, dtype=torch.float64)
    hits = 0
    for _ in range(runs):
        means = torch.bernoulli(p[..., None].expand(*p.shape, size), generator=generator).mean(-1).tolist()
        interval = largest_difference([(Mean(a, size), Mean(b, size)) for a, b in means])
        hits += interval.low <= truth <= interval.high
    return hits / runs


@pytest.mark.parametrize(
    "rates",
    [
        [[0.3, 0.3]], [[0.3, 0.33]], [[0.3, 0.45]], [[0.02, 0.1]],  # parity
        [[0.2, 0.2], [0.6, 0.6]], [[0.1, 0.15], [0.6, 0.65]], [[0.05, 0.1], [0.6, 0.8]],  # odds
        [[0.2, 0.3], [0.2, 0.25], [0.3, 0.25]],  # three groups
    ],
)  # fmt: skip
def test_intervals_of_the_largest_difference_cover(rates: list[list[float]]) -> None:
    assert 0.935 <= _coverage(rates, 300) <= 0.985


def test_intervals_of_balanced_accuracy_cover() -> None:
    generator = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(2000):
        a, b = (
            float(torch.bernoulli(torch.full((n,), p), generator=generator).mean()) for n, p in ((200, 0.9), (60, 0.6))
        )
        interval = mean_of_proportions([Mean(a, 200), Mean(b, 60)])
        hits += interval.low <= 0.75 <= interval.high
    assert 0.93 <= hits / 2000 <= 0.98


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.15])
def test_intervals_of_the_area_cover(shift: float) -> None:
    generator, size, hits, runs = torch.Generator().manual_seed(1), 400, 0, 1000
    groups = torch.arange(2 * size) // size

    def scores() -> Tensor:
        p = torch.rand(2 * size, generator=generator, dtype=torch.float64) * 0.8
        p[size:] += shift
        return torch.stack([1 - p, p], 1)

    for _ in range(runs):
        interval = gaps.distribution_gap(Answers.of_scores(scores(), groups * 0, groups), 2)
        hits += interval.low <= shift <= interval.high
    assert 0.93 <= hits / runs <= 0.98


def result(gap: float, accuracy: float) -> FairnessResult:
    one = Interval(gap, gap, gap)
    value = Interval(accuracy, accuracy, accuracy)
    return FairnessResult(100, value, value, one, one, one, one, {})


def test_the_front_holds_what_no_other_beats() -> None:
    points = {"plain": (0.2, 0.85), "a": (0.1, 0.84), "worse": (0.12, 0.83), "b": (0.02, 0.8), "equal": (0.1, 0.84)}
    assert front(points) == ["b", "a", "plain"]
    assert front({"low": (0.1, 0.8), "high": (0.1, 0.84)}) == ["high"]


def test_the_area_over_a_front() -> None:
    assert area_over([(0.0, 1.0)], (0.2, 0.7)) == pytest.approx(0.2 * 0.3)
    assert area_over([(0.0, 0.8), (0.1, 0.9), (0.5, 1.0)], (0.2, 0.7)) == pytest.approx(0.1 * 0.1 + 0.1 * 0.2)
    assert area_over([], (0.2, 0.7)) == 0


def test_mutation_joins_plain_and_majority() -> None:
    plain = result(0.2, 0.85)
    assert mutation(plain, "parity", 0.75, 0.2) == pytest.approx(0.85)
    assert mutation(plain, "parity", 0.75, 0.1) == pytest.approx(0.80)
    assert mutation(plain, "parity", 0.75, 0.0) == pytest.approx(0.75)


def test_mutation_is_what_mutated_answers_have() -> None:
    before = measure_fairness(TABLE, SEX)
    d = 0.5 * TABLE.decisions + 0.5 * torch.tensor([1.0, 0.0])  # half of the answers become 0
    after = measure_fairness(replace(TABLE, decisions=d), SEX)
    constant = float((TABLE.labels == 0).double().mean())
    for notion in ("parity", "odds"):
        assert after.gap(notion).value == pytest.approx(before.gap(notion).value / 2)
        assert mutation(before, notion, constant, after.gap(notion).value) == pytest.approx(after.accuracy.value)


def test_the_most_accurate_of_a_small_gap_is_chosen() -> None:
    results = {"plain": result(0.2, 0.85), "a": result(0.03, 0.82), "b": result(0.01, 0.83), "c": result(0.0, 0.75)}
    assert choose(results, "parity", 0.03) == "b" and choose(results, "odds", 0.005) == "c"
    assert choose({"edge": result(0.03, 0.84), "b": result(0.01, 0.83)}, "parity", 0.03) == "edge"
    assert choose({"plain": result(0.2, 0.85)}, "parity", 0.03) is None

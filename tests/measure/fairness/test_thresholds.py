"""Thresholds for each group make the gap 0 on the rows that they were fitted on, and lose little accuracy."""

from __future__ import annotations

import pytest
import torch

from sparring.measure.fairness.gaps import Answers, measure_fairness
from sparring.measure.fairness.thresholds import apply_rules, fit_rules

COUNT = 4000


def biased() -> Answers:
    generator = torch.Generator().manual_seed(0)
    groups = (torch.rand(COUNT, generator=generator) < 0.4).long()
    skill = torch.randn(COUNT, generator=generator, dtype=torch.float64)
    p = torch.sigmoid(2 * skill - 1.5 * groups)
    labels = (torch.rand(COUNT, generator=generator, dtype=torch.float64) < p).long()
    return Answers.of_scores(torch.stack([1 - p, p], 1), labels, groups)


@pytest.mark.parametrize("notion", ["parity", "odds", "opportunity"])
def test_the_gap_becomes_zero(notion: str) -> None:
    answers = biased()
    fair = apply_rules(answers, fit_rules(answers, 2, notion))
    before, after = (measure_fairness(each, ("a", "b"), 1) for each in (answers, fair))
    assert before.gap(notion).value > 0.1 and after.gap(notion).value < 0.004
    assert after.accuracy.value > before.accuracy.value - 0.06


def test_equal_rates_of_tied_probabilities_need_chance() -> None:
    p = torch.tensor([0.8] * 60 + [0.2] * 40 + [0.8] * 20 + [0.2] * 80, dtype=torch.float64)
    groups, labels = torch.arange(200) // 100, (p > 0.5).long()
    answers = Answers.of_scores(torch.stack([1 - p, p], 1), labels, groups)
    fair = apply_rules(answers, fit_rules(answers, 2, "parity"))
    assert measure_fairness(fair, ("a", "b")).parity.value == pytest.approx(0, abs=1e-9)
    assert 0 < float(fair.decisions[:, 1].max()) <= 1


def test_a_group_that_cannot_be_told_apart_pulls_odds_down() -> None:
    """The curve of a group whose probabilities say nothing is the diagonal, and so is all that equal odds allow."""
    p = torch.cat([torch.linspace(0, 1, 1000), torch.full((1000,), 0.5)]).double()
    groups = torch.arange(2000) // 1000
    labels = torch.cat([(p[:1000] > 0.5).long(), torch.arange(1000) % 2])
    answers = Answers.of_scores(torch.stack([1 - p, p], 1), labels, groups)
    fair = measure_fairness(apply_rules(answers, fit_rules(answers, 2, "odds")), ("a", "b"))
    assert fair.odds.value < 0.01 and fair.accuracy.value == pytest.approx(0.5, abs=0.01)

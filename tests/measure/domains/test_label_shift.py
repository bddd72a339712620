from __future__ import annotations

import numpy as np
import pytest

from sparring.measure.domains.label_shift import (
    LabelShift,
    class_weights,
    estimate_label_shift,
    joint_table,
    target_shares,
    trust_of,
)


def test_bbse_is_exact_on_a_known_confusion_matrix() -> None:
    given = np.array([[0.9, 0.2, 0.1], [0.05, 0.7, 0.1], [0.05, 0.1, 0.8]])  # P(answer i | class j)
    prior, true = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
    answered = given @ true
    np.testing.assert_allclose(class_weights(given * prior, answered), true / prior, rtol=0.01)
    np.testing.assert_allclose(target_shares(given * prior, answered, prior), true, atol=0.003)


def test_weights_are_not_negative_and_near_1_where_answers_say_nothing() -> None:
    table = np.full((2, 2), 0.25)  # answers do not depend on the class
    np.testing.assert_allclose(class_weights(table, np.array([0.5, 0.5])), [1, 1], rtol=1e-6)
    weights = class_weights(np.array([[0.4, 0.1], [0.1, 0.4]]), np.array([1.0, 0.0]))  # the inverse has -2/3
    np.testing.assert_allclose(weights, [8 / 3, 0], rtol=0.01)


def test_the_joint_table_counts_answers_by_classes() -> None:
    table = joint_table(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(table, [[0.25, 0], [0.25, 0.5]])


def simulate(shares: list[float], seed: int, count: int = 800) -> LabelShift:
    """Answers that are right in 85 of 100 cases, in both domains."""
    rng = np.random.default_rng(seed)

    def answers(labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        wrong = rng.random(len(labels)) < 0.15
        return np.where(wrong, rng.integers(3, size=len(labels)), labels)

    source, target = rng.integers(3, size=count), rng.choice(3, count, p=shares)
    return estimate_label_shift(answers(source), source, answers(target), ("a", "b", "c"), np.full(3, 1 / 3), seed=seed)


def test_the_interval_holds_the_truth_in_about_95_of_100_cases() -> None:
    shares = [0.6, 0.3, 0.1]
    inside = []
    for seed in range(60):
        shift = simulate(shares, seed)
        inside += [low <= share <= high for share, low, high in zip(shares, shift.low, shift.high, strict=True)]
    assert 0.9 <= np.mean(inside) <= 0.995


def test_a_shift_is_found_and_its_size() -> None:
    shift = simulate([0.7, 0.2, 0.1], 0)
    assert shift.shifted == ("a", "b", "c")
    assert shift.distance == pytest.approx(0.37, abs=0.06)
    assert len(simulate([1 / 3, 1 / 3, 1 / 3], 1).shifted) <= 1


def test_training_shares_mix_by_trust_and_lose_no_class() -> None:
    ends = (0.5, 0.5), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0)
    assert LabelShift(("a", "b"), *ends, trust=0.0).training_shares == (0.5, 0.5)
    assert LabelShift(("a", "b"), *ends).training_shares == pytest.approx((1 / 1.05, 0.05 / 1.05))
    assert (trust_of(0.5), trust_of(1.0)) == (0, 1)
    assert trust_of(0.9) == pytest.approx(0.5)


def test_json_and_back() -> None:
    import json
    from dataclasses import asdict

    shift = simulate([0.7, 0.2, 0.1], 0)
    assert LabelShift.from_json(json.loads(json.dumps(asdict(shift)))) == shift


def test_a_class_without_held_out_rows_keeps_its_share() -> None:
    answers = np.array([0, 1] * 50)
    shift = estimate_label_shift(answers, answers, answers, ("a", "b", "rare"), np.array([0.49, 0.49, 0.02]))
    assert shift.target == pytest.approx((0.49, 0.49, 0.02), abs=0.01)
    assert shift.training_shares[2] > 0.01

"""Membership attacks: LiRA on confidences that depend on membership, density ratio on copies, limits at small rates."""

from __future__ import annotations

import numpy as np
import pytest

from sparring.measure.privacy.membership import (
    RATES,
    density_ratio_scores,
    lira_scores,
    logit_confidence,
    membership_result,
)


@pytest.mark.parametrize("shadows", [16, 64])
def test_lira_finds_members_by_rows_of_different_difficulty(shadows: int) -> None:
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 5, 1000)  # a threshold for all rows fails
    entered = rng.permuted(np.arange(shadows)[:, None] % 2 == np.zeros((1, 1000)), axis=0)
    member = rng.random(1000) < 0.5
    confidences = difficulty + 2.0 * entered + rng.normal(0, 1, (shadows, 1000))
    target = difficulty + 2.0 * member + rng.normal(0, 1, 1000)
    further = difficulty + rng.normal(0, 1, 1000)
    result = membership_result(
        lira_scores(target, confidences, entered), member, lira_scores(further, confidences, entered)
    )
    plain = membership_result(target, member, further)
    assert result.auc.low > 0.85 > 0.7 > plain.auc.high
    assert result.hits[0.01].low > result.false[0.01].high
    assert 0 < result.precision(0.01) <= 1 and result.members + result.others == 1000


def test_without_a_leak_nothing_is_recognised() -> None:
    rng = np.random.default_rng(1)
    scores, member = rng.normal(size=2000), rng.random(2000) < 0.5
    result = membership_result(scores, member, rng.normal(size=5000))
    assert result.auc.low < 0.5 < result.auc.high
    for rate in RATES:
        for called in (result.hits[rate], result.false[rate]):
            assert called.low <= rate <= called.high


def test_a_row_that_is_in_all_shadows_is_refused() -> None:
    with pytest.raises(ValueError, match="out of some"):
        lira_scores(np.zeros(2), np.zeros((4, 2)), np.array([[True, True], [True, False]] * 2))


def test_density_ratio_recognises_copies_and_not_typical_rows() -> None:
    rng = np.random.default_rng(2)
    rows, reference = rng.normal(size=(400, 5)), rng.normal(size=(2000, 5))
    member = np.arange(400) < 200
    samples = np.concatenate([rows[:200] + 0.05 * rng.normal(size=(200, 5)), rng.normal(size=(1800, 5))])
    calibration = density_ratio_scores(rng.normal(size=(1000, 5)), samples, reference)
    result = membership_result(density_ratio_scores(rows, samples, reference), member, calibration)
    assert result.auc.low > 0.9 and result.hits[0.01].low > 0.3  # others have reference rows as near as their copies
    fresh = density_ratio_scores(rows, rng.normal(size=(2000, 5)), reference)
    assert membership_result(fresh, member, calibration).auc.low < 0.5


def test_logit_confidence_is_that_of_the_label() -> None:
    values = logit_confidence(np.array([[0.2, 0.8], [1.0, 0.0]]), np.array([1, 1]))
    assert values[0] == pytest.approx(np.log(4)) and np.isfinite(values[1])

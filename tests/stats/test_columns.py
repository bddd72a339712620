"""Columns that differ most among groups."""

from __future__ import annotations

import numpy as np

from sparring.stats.columns import most_different


def test_means_and_deviations_of_any_number_of_groups_are_compared() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 600)
    x = rng.normal(0, 5, (600, 1000)).astype(np.float32)
    x[:, 700] += 10 * groups
    x[:, 30] *= 1 + groups
    x[:, 3] = 1.0
    assert list(most_different(x, groups, 2)) == [30, 700]
    assert list(most_different(x[:, :5], groups, 8)) == [0, 1, 2, 3, 4]

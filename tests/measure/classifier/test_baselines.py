"""Simple classifiers are ranked, and its control is at chance unless the splits share rows."""

from __future__ import annotations

import numpy as np

from sparring.measure.classifier.baselines import CONSTANT, SHUFFLED, baselines, chance


def blobs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    return (rng.normal(size=(count, 6)) + 3 * np.eye(6)[y]).astype(np.float32), y * 2  # classes 0, 2 and 4


def test_each_rung_is_better_than_the_constant_and_the_control_is_not() -> None:
    (x, y), (test_x, test_y) = blobs(600, 0), blobs(400, 1)
    results = {one.name: one.errors for one in baselines(x, y, test_x, test_y, trees=True)}
    common, control = results.pop(CONSTANT), results.pop(SHUFFLED)
    assert 0.55 < common.value < 0.75 and control.low < chance(y, test_y) < control.high
    assert {"nearest neighbour", "logistic regression"} <= results.keys()
    assert all(errors.value < 0.2 for errors in results.values())


def test_classes_that_were_not_learnt_are_errors() -> None:
    x, y = blobs(60, 0)
    assert all(one.errors.value == 1 for one in baselines(x, y, x[:20], np.full(20, 9), trees=False))


def test_chance_of_uneven_classes() -> None:
    assert abs(chance(np.array([0, 0, 0, 1]), np.array([0, 1])) - 0.5) < 1e-12
    assert chance(np.array([0, 0]), np.array([0, 0])) == 0

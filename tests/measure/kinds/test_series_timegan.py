"""TimeGAN's judges: chance on equal sets, near 1/2 on others, and a smaller error where the past tells more."""

from __future__ import annotations

import numpy as np

from sparring.measure.kinds.series_timegan import discriminative_score, predictive_score

RNG = np.random.default_rng(0)


def waves(count: int, size: float = 1.0) -> np.ndarray:
    phase = RNG.uniform(0, 6, (count, 2, 1))
    return size * np.sin(np.arange(12) / 3 + phase) + 0.05 * RNG.normal(size=(count, 2, 12))


def test_a_judge_tells_other_series_and_not_equal_ones() -> None:
    assert discriminative_score(waves(400), waves(400), rounds=80, lr=0.03) < 0.15
    assert discriminative_score(waves(400, 0.2), waves(400), rounds=80, lr=0.03) > 0.4


def test_forecasts_learn_from_series_like_those_of_the_test() -> None:
    real = waves(400)
    real[:, 1] = real[:, 0]
    other = real.copy()
    other[:, 1] = -other[:, 0]
    good, bad = (predictive_score(x, real, rounds=80, lr=0.03) for x in (real, other))
    assert good < 0.15 < 0.3 < bad
    assert predictive_score(real, real, rounds=80, lr=0.03) == good

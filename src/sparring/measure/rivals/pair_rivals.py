"""Pairs whose halves do not belong together, the chance level of scores of whether they do."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparring.engine.pair_spec import HALVES
from sparring.measure.rivals.rivals import LabelledRows


def shuffled(spec: Any, training: LabelledRows, count: int, rng: np.random.Generator) -> LabelledRows:
    """Draw training pairs, and exchange their second halves at random; labels are those of the first halves."""
    sampled = training.take(rng.integers(len(training), size=count))
    rows, (_, second) = sampled.rows.copy(), HALVES
    rows[second] = rows[second][rng.permutation(count)]
    return LabelledRows(rows, sampled.labels)

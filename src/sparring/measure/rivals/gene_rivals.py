"""Simple generators of rows of more columns than rows: the shrunk Gaussian of each class, and copies with noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparring.measure.rivals.rivals import LabelledRows, Rival
from sparring.nets.score_space import fit_gaussian

NOISE = 0.3
"""Standard deviation of the noise on copies, in deviations of a column."""


def gene_rivals() -> Mapping[str, Rival]:
    """Return the simple generators by name."""
    return {"shrunk Gaussian": shrunk_gaussian, "noisy copies": noisy_copies}


def shrunk_gaussian(spec: Any, training: LabelledRows, count: int, rng: np.random.Generator) -> LabelledRows:
    """Draw from a Gaussian of each class with one shrunk covariance (Schäfer and Strimmer 2005)."""
    x, y = training.rows.astype(np.float64), np.maximum(training.labels, 0)
    mean, std = x.mean(0), x.std(0)
    std[std == 0] = 1
    labels = y[rng.integers(len(y), size=count)]
    rows = fit_gaussian((x - mean) / std, y, int(y.max()) + 1).sample(labels, rng)
    return LabelledRows((rows * std + mean).astype(np.float32), labels)


def noisy_copies(spec: Any, training: LabelledRows, count: int, rng: np.random.Generator) -> LabelledRows:
    """Draw training rows, with noise of NOISE deviations of each column."""
    idx = rng.integers(len(training), size=count)
    rows = training.rows[idx] + NOISE * training.rows.std(0) * rng.standard_normal((count, training.rows.shape[1]))
    return LabelledRows(rows.astype(np.float32), training.labels[idx])

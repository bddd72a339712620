"""Divide the training examples of a regressor: to learn from, to choose by, and to calibrate the intervals by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.engine.errors import UsageError
from sparring.measure.regression.conformal import calibration_size, rows_needed

PART = 8
"""One in this number of examples is for validation, and as many are for calibration."""
TEST_PART = 5
"""One in this number of examples is for testing, where the source marks none for it."""
MAX_VALIDATION, MAX_CALIBRATION = 1000, 2000
"""Examples for validation and for calibration, at most."""


@dataclass(frozen=True)
class Parts:
    """Indices of the training examples, in three parts without a common one, and the examples to test on."""

    learning: NDArray[np.int64]
    validation: NDArray[np.int64]
    """Examples by which network or trees are chosen."""
    calibration: NDArray[np.int64]
    """Examples by which the intervals are calibrated."""
    test: Dataset
    """Examples to test on."""


def parts_of(data: Dataset, source: str, coverage: float) -> Parts:
    """Return the parts of the training examples, drawn by seed 0, and the test split, or else a fifth of them.

    Raises UsageError where labels are no numbers, are all equal, or are too few to calibrate intervals of `coverage`.
    """
    numbers, unit = numbers_of(data, source), data.report.unit
    if (numbers == numbers[0]).all():
        only = ", ".join(f"{number:g}" for number in numbers[0])
        raise UsageError(
            f"the label of all {len(data):,} training {unit} of {source} is {only}: there is nothing to learn"
        )
    order, test = np.random.default_rng(0).permutation(len(numbers)), data.split("test")
    if not len(test):
        held_out, order = np.split(order, [len(order) // TEST_PART])
        test = data.select(np.sort(held_out))
    count, needed = len(order), PART * rows_needed(coverage)
    if count < needed:
        raise UsageError(
            f"{source} has {count:,} training {unit} with a number, and {needed:,} are needed to calibrate intervals "
            f"of {coverage:.0%}: give more {unit}, or a smaller --coverage"
        )
    validation, calibration = (min(count // PART, most) for most in (MAX_VALIDATION, MAX_CALIBRATION))
    calibration = calibration_size(calibration, coverage)
    cuts = np.split(order, [validation, validation + calibration])
    return Parts(np.sort(cuts[2]), np.sort(cuts[0]), np.sort(cuts[1]), test)


def numbers_of(data: Dataset, source: str) -> NDArray[np.float32]:
    """Return the numbers `[N, K]` that are to be predicted; raise UsageError where labels are none."""
    if data.vectors is not None:
        return data.vectors
    if (data.labels >= 0).any():
        raise UsageError(
            f"the labels of {source} are {len(data.spec.classes)} classes, and `sparring regress` predicts numbers: "
            "`sparring classify` learns classes"
        )
    raise UsageError(
        f"{source} has no labels to predict: name the column of the number (--label COLUMN), or give numbers, "
        "y of a .npz file for example, as labels"
    )

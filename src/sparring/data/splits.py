"""Which examples are held out for testing, one rule for all kinds of data; and which labels are kept."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

UNSPLIT: dict[str, Literal[0, 1]] = {"train": 0, "test": 1}
"""Name of a split -> its number in the cache."""
TAKE = re.compile(r".*_.*_(\d+)\.\w+")
"""Names WORD_SPEAKER_TAKE.wav, as in the Free Spoken Digit Dataset."""
TEST_TAKES = 5
"""Takes 0 to 4 of each speaker and word are for testing."""


def choose_test(
    marked: NDArray[np.bool_], names: Sequence[str], labels: NDArray[np.int64], held_out: int | None
) -> tuple[NDArray[np.bool_], str | None]:
    """Return which examples are for testing, bool `[N]`, and a note on the choice.

    What the source marks counts. Where it marks nothing and `held_out` is a number n: takes 0 to 4 where all names are
    WORD_SPEAKER_TAKE, else one in n of each class, drawn by seed 0.
    """
    if marked.any() or held_out is None:
        return marked, None
    if all(takes := [TAKE.fullmatch(name.rpartition("/")[2]) for name in names]):
        is_test = np.array([int(take[1]) < TEST_TAKES for take in takes if take])
        if is_test.any() and not is_test.all():
            return is_test, f"held out for testing: takes 0 to {TEST_TAKES - 1} of each WORD_SPEAKER_TAKE"
    is_test = np.zeros(len(names), bool)
    for label in np.unique(labels):
        of_class = np.random.default_rng(0).permutation(np.flatnonzero(labels == label))
        is_test[of_class[: len(of_class) // held_out]] = True
    return is_test, f"held out for testing: one in {held_out} of each class, drawn at random" if is_test.any() else None


def some_labels(labels: NDArray[np.int64], fraction: float) -> NDArray[np.int64]:
    """Keep `fraction` of the labels `[N]` of each class (one or more, unless it is 0); the others become -1.

    The same ones every time; those of a smaller fraction are among those of a larger.
    """
    kept = np.full_like(labels, -1)
    order = np.random.default_rng(0).permutation(len(labels))
    for k in np.unique(labels[labels >= 0]):
        rows = order[labels[order] == k]
        rows = rows[: math.ceil(fraction * len(rows))]
        kept[rows] = k
    return kept

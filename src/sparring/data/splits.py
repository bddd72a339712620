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
TAKE = re.compile(r"(?P<word>.+?)_(?P<speaker>.+)_(?P<take>\d+)\.\w+")
"""Names WORD_SPEAKER_TAKE.wav, as in the Free Spoken Digit Dataset."""
NOHASH = re.compile(r"(?P<speaker>[0-9a-f]{6,})_nohash_\d+\.\w+")
"""Names SPEAKER_nohash_TAKE.wav, as in Speech Commands."""
TEST_TAKES = 5
"""Takes 0 to 4 of each speaker and word are for testing."""
NEARLY_ALL = 0.9
"""Fraction of the names that decides on their form."""


def choose_test(
    marked: NDArray[np.bool_], names: Sequence[str], labels: NDArray[np.int64], held_out: int | None
) -> tuple[NDArray[np.bool_], str | None]:
    """Return which examples are for testing, bool `[N]`, and a note on the choice.

    What the source marks counts. Where it marks nothing and `held_out` is a number n: takes 0 to 4 where names are
    WORD_SPEAKER_TAKE and nearly all speakers have later takes; one speaker in n where names are SPEAKER_nohash_TAKE;
    else one in n of each class, drawn by seed 0.
    """
    if marked.any() or held_out is None:
        return marked, None
    files = [name.rpartition("/")[2] for name in names]
    if (is_test := _by_take(files)) is not None:
        return is_test, f"held out for testing: takes 0 to {TEST_TAKES - 1} of each WORD_SPEAKER_TAKE"
    if (is_test := _by_speaker(files, held_out)) is not None:
        return is_test, f"held out for testing: one speaker in {held_out}, by the beginnings of the names"
    is_test = np.zeros(len(names), bool)
    for label in np.unique(labels):
        of_class = np.random.default_rng(0).permutation(np.flatnonzero(labels == label))
        is_test[of_class[: len(of_class) // held_out]] = True
    of_each = "" if (labels < 0).all() else " of each class"
    return is_test, f"held out for testing: one in {held_out}{of_each}, drawn at random" if is_test.any() else None


def _by_take(files: Sequence[str]) -> NDArray[np.bool_] | None:
    """Return which files are early takes; None where names have another form, or few speakers have later takes."""
    takes = [TAKE.fullmatch(file) for file in files]
    if not all(takes) or any("nohash" in file for file in files):
        return None
    every = {(take["word"], take["speaker"]) for take in takes if take}
    later = {(take["word"], take["speaker"]) for take in takes if take and int(take["take"]) >= TEST_TAKES}
    is_test = np.array([int(take["take"]) < TEST_TAKES for take in takes if take])
    return is_test if is_test.any() and len(later) >= NEARLY_ALL * len(every) else None


def _by_speaker(files: Sequence[str], held_out: int) -> NDArray[np.bool_] | None:
    """Return which files are of the speakers for testing, drawn by seed 0; None where names name no speakers."""
    speakers = [match["speaker"] if (match := NOHASH.fullmatch(file)) else "" for file in files]
    if speakers.count("") > (1 - NEARLY_ALL) * len(files):
        return None
    known = sorted(set(speakers) - {""})
    order = np.random.default_rng(0).permutation(len(known))
    tested = {known[k] for k in order[: max(len(known) // held_out, 1)]} if len(known) > 1 else set()
    return np.array([speaker in tested for speaker in speakers]) if tested else None


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

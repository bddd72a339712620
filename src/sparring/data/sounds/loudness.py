"""The full scale of recordings whose numbers are no plain waveform: floats beyond 1, and 16 bits in files of 32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDE = frozenset(["FLOAT", "DOUBLE", "PCM_24", "PCM_32"])
"""Forms of samples, in libsndfile's names, that may hold numbers of another form."""
FLOATS = frozenset(["FLOAT", "DOUBLE"])
PLAIN = 1.01
"""Peak up to which floats are taken for a waveform in [-1, 1]."""
COUNTS = 128.0
"""Peak above which floats are taken for whole numbers of 16 bits or more."""
COUNT_SCALES = 2.0**15, 2.0**23, 2.0**31
LOW_BITS = 2.0**-16, 2.0**-8
"""Full scale of 16 bits in a file of 32, and of 24 in 32 or 16 in 24."""
QUIET = 0.001
"""Peak, as a part of full scale, below which a recording is nearly silent: -60 dB."""
ANTIPHASE = 0.05
"""Part of the channels' peak that is left in their mean where they cancel each other."""


def full_scales(peaks: Mapping[int, tuple[str, float]], like: float | None = None) -> dict[int, float]:
    """Return the value of full scale of each recording that has another than 1, by form and peak of all wide ones.

    Floats that pass 128 are counts of 16, 24 or 32 bits; others that pass 1 are scaled by their highest peak, or by
    `like`, that of a model's training data. Whole numbers that leave the upper bits of all files empty are low bits.
    """
    floats = {row: peak for row, (form, peak) in peaks.items() if form in FLOATS}
    whole = {row: peak for row, (form, peak) in peaks.items() if form not in FLOATS}
    highest = max(floats.values(), default=0.0)
    if highest > COUNTS:
        top = next((scale for scale in COUNT_SCALES if highest <= scale), highest)
        scales = {row: top for row, peak in floats.items() if peak > PLAIN}
    elif like is not None and PLAIN < like <= COUNTS:
        scales = dict.fromkeys(floats, like)
    else:
        scales = dict.fromkeys(floats, highest) if highest > PLAIN else {}
    low = next((scale for scale in LOW_BITS if max(whole.values(), default=1.0) <= scale), None)
    return scales if low is None else scales | dict.fromkeys(whole, low)


def mixed(channels: NDArray[Any]) -> tuple[NDArray[np.float32], bool]:
    """Return the mean of channels `[T, C]`, and False; the loudest and True where they cancel each other."""
    mean: NDArray[np.float32] = channels.mean(1)
    if channels.shape[1] == 1 or not len(channels):
        return mean, False
    peaks = np.abs(channels).max(0)
    if not peaks.max() > 0 or np.abs(mean).max() >= ANTIPHASE * peaks.max():
        return mean, False
    return channels[:, int(peaks.argmax())], True

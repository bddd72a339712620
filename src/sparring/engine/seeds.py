"""Seeds out of counters: a run needs no random state, so a resumed one draws what the unbroken one would have."""

from __future__ import annotations

_MASK = (1 << 64) - 1
_START = 0x243F6A8885A308D3
"""Digits of pi: an odd place to start from, which no small number leads to zero."""


def mix(*numbers: int) -> int:
    """One well-spread 63-bit seed out of several whole numbers (SplitMix64, Steele et al. 2014)."""
    state = _START
    for number in numbers:
        state = (state ^ (number & _MASK)) * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state >> 1

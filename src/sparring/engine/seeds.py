"""Seeds derived from counters. Unlike NumPy's SeedSequence this needs no arrays and gives one Python int for torch.

A run stores no random state: a resumed run derives the same seeds as an uninterrupted one.
"""

from __future__ import annotations

from numbers import Integral

from sparring.engine.errors import UsageError

_MASK = (1 << 64) - 1
_START = 0x243F6A8885A308D3
"""Initial state: digits of pi. It is not 0, which small inputs would map to 0."""


def mix(*numbers: int) -> int:
    """Return one well-distributed 63-bit seed for a sequence of integers (SplitMix64, Steele et al. 2014)."""
    state = _START
    for number in numbers:
        state = (state ^ (number & _MASK)) * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state >> 1


def check_seed(seed: int) -> None:
    """Raise UsageError where a seed is out of range."""
    if not isinstance(seed, Integral) or not 0 <= seed < 1 << 63:
        raise UsageError(f"--seed must be 0 or more, and below 2^63, not {seed}")

"""Numbers that change over a run, as functions of `at` in [0, 1]."""

from __future__ import annotations

import math

from sparring.engine.game import Schedule


def constant(value: float) -> Schedule:
    """`value` throughout."""
    return lambda at: value


def cosine(start: float, end: float, until: float = 1.0) -> Schedule:
    """Half a cosine from `start` at 0 to `end` at `until`, then `end`."""
    return lambda at: end + (start - end) * (1 + math.cos(math.pi * min(at / until, 1.0))) / 2

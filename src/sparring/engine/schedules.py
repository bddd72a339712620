"""Numbers that change over a run, as functions of `at` in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sparring.engine.game import Schedule


def constant(value: float) -> Schedule:
    """`value` throughout."""
    return lambda at: value


def cosine(start: float, end: float, until: float = 1.0) -> Schedule:
    """Half a cosine from `start` at 0 to `end` at `until`, then `end`."""
    return lambda at: end + (start - end) * (1 + math.cos(math.pi * min(at / until, 1.0))) / 2


def triangle(peak: float, until: float) -> Schedule:
    """Evenly from 0 at 0 to `peak` at `until`, then evenly to 0 at 1 (Smith 2017, one cycle)."""
    return lambda at: peak * (at / until if at < until else (1 - at) / (1 - until))


def steps(values: Mapping[float, float]) -> Schedule:
    """From each of these `at` on the value beside it; the first is 0."""
    return lambda at: next(value for begin, value in sorted(values.items(), reverse=True) if at >= begin)

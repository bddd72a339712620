"""Schedules: hyper-parameters as functions of the run's progress `at` in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sparring.engine.game import Schedule


def constant(value: float) -> Schedule:
    """Return a schedule that is `value` throughout."""
    return lambda at: value


def cosine(start: float, end: float, until: float = 1.0) -> Schedule:
    """Return half a cosine from `start` at 0 to `end` at `until`; `end` afterwards."""
    return lambda at: end + (start - end) * (1 + math.cos(math.pi * min(at / until, 1.0))) / 2


def ramp(begin: float, length: float) -> Schedule:
    """Return a schedule that is 0 until `begin` and rises linearly to 1 over `length`."""
    return lambda at: min(max(at - begin, 0.0) / length, 1.0)


def warm_cosine(peak: float, end: float, until: float) -> Schedule:
    """Return a linear rise from `end` at 0 to `peak` at `until`, then half a cosine back to `end` at 1."""
    fall = cosine(peak, end, 1 - until)
    return lambda at: end + (peak - end) * at / until if at < until else fall(at - until)


def triangle(peak: float, until: float) -> Schedule:
    """Return a linear rise from 0 to `peak` at `until`, then a linear fall to 0 at 1 (one cycle, Smith 2017)."""
    return lambda at: peak * (at / until if at < until else (1 - at) / (1 - until))


def steps(values: Mapping[float, float]) -> Schedule:
    """Return a step function: `values` maps the start of each step to its value. The first start is 0."""
    return lambda at: next(value for begin, value in sorted(values.items(), reverse=True) if at >= begin)

"""Times and long series: parse times, sort, fill small gaps, cut into windows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.cells import to_number

MAX_GAP = 3
"""Steps of a gap that is interpolated; a series is cut at longer ones."""
REGULAR = 0.9
"""Fraction of equal steps from which a time counts as regular, so that missing rows are gaps."""
MOSTLY = 0.8
"""Fraction of times that have to be understood."""
BREAK = 20
"""Steps without a row at which a series of irregular times is cut."""
YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(.*)")
YEAR_LAST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(.*)")

Parse = Callable[[str], float | None]
"""Text of a time -> seconds, or the number that it is; None where it is no time."""


def time_parser(sample: Sequence[str]) -> Parse | None:
    """Return what parses most times: numbers, ISO 8601, or dates with month or day first; None if nothing does."""
    parsers: list[Parse] = [
        to_number, _parse_iso, lambda text: _parse_year_last(text, False), lambda text: _parse_year_last(text, True),
        comma_number,
    ]  # fmt: skip
    counts = [sum(parse(text) is not None for text in sample) for parse in parsers]
    best = max(counts)
    return parsers[counts.index(best)] if best and best >= MOSTLY * len(sample) else None


def comma_number(text: str) -> float | None:
    """Return a number with a decimal comma; None where the text is none."""
    return to_number(text.replace(",", ".")) if text.count(",") <= 1 and "." not in text else None


def _parse_iso(text: str) -> float | None:
    if match := YEAR_FIRST.fullmatch(text):
        year, month, day, rest = match.groups()
        text = f"{year}-{int(month):02}-{int(day):02}{rest}"
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _parse_year_last(text: str, day_first: bool) -> float | None:
    if not (match := YEAR_LAST.fullmatch(text)):
        return None
    first, mark, second, year, rest = match.groups()
    day, month = (first, second) if day_first or mark == "." else (second, first)
    return _parse_iso(f"{year}-{int(month):02}-{int(day):02}{rest}")


class Grid(NamedTuple):
    """A long series on a grid of steps, with breaks."""

    values: NDArray[np.float32]
    """`[T, C]`, finite within each stretch."""
    rows: NDArray[np.int64]
    """Row of the sorted input that each step comes from, `[T]`; -1 for a step that was filled in."""
    stretches: list[tuple[int, int]]
    """First step and end of each stretch without a long gap."""
    filled: int
    """Gaps that were interpolated."""


def to_grid(times: NDArray[np.float64], values: NDArray[np.float32]) -> Grid:
    """Put rows `[N, C]` with rising times `[N]` on a grid, interpolate small gaps, and cut at long ones."""
    steps = np.diff(times)
    step = float(np.median(steps)) if len(steps) else 1.0
    regular = len(steps) > 0 and float((np.abs(steps - step) < 0.01 * step).mean()) >= REGULAR
    jumps = np.maximum(np.rint(steps / step), 1).astype(np.int64) if len(steps) else np.zeros(0, np.int64)
    if not regular:
        jumps = np.where(jumps > BREAK, MAX_GAP + 2, 1)
    jumps = np.minimum(jumps, MAX_GAP + 2)  # a longer gap is a break all the same
    places = np.concatenate([[0], np.cumsum(jumps)]).astype(np.int64)
    grid = np.full((places[-1] + 1, values.shape[1]), np.nan, np.float32)
    grid[places] = values
    rows = np.full(len(grid), -1, np.int64)
    rows[places] = np.arange(len(times))
    filled = sum(fill_gaps(grid[:, channel]) for channel in range(grid.shape[1]))
    return Grid(grid, rows, stretches(np.isfinite(grid).min(1)), filled)


def fill_gaps(values: NDArray[np.float32]) -> int:
    """Interpolate, in place, gaps (NaN) of up to MAX_GAP steps between two values; return how many there were."""
    filled = 0
    finite = np.isfinite(values)
    for start, end in stretches(~finite):
        if start > 0 and end < len(values) and end - start <= MAX_GAP:
            values[start:end] = np.interp(np.arange(start, end), [start - 1, end], [values[start - 1], values[end]])
            filled += 1
    return filled


def stretches(good: NDArray[Any]) -> list[tuple[int, int]]:
    """Return first and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def windows(stretches: Sequence[tuple[int, int]], length: int) -> tuple[list[int], int]:
    """Return the first steps of windows that follow each other in each stretch, and how many steps fill none."""
    starts = [first for start, end in stretches for first in range(start, end - length + 1, length)]
    return starts, sum(end - start for start, end in stretches) - len(starts) * length

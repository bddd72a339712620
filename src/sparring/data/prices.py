"""Bars of prices and volumes from a table with a time: open, high, low, close and volume of each step."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.data_spec import SeriesSpec
from sparring.engine.errors import UsageError

BARS = ("open", "high", "low", "close", "volume")
"""What a bar holds, in this order."""
COLUMN_NAMES = {
    "open": ("open", "openprice", "o"),
    "high": ("high", "highprice", "h"),
    "low": ("low", "lowprice", "l"),
    "close": ("close", "closeprice", "last", "c"),
    "volume": ("volume", "vol", "tradedvolume", "v"),
}
"""Entry of a bar -> names of its column, letters only, the preferred one first."""


@dataclass(frozen=True)
class PricesSpec:
    """Windows of bars, `[B, 5, T]` float64 in the units of the source, for models that trade by them."""

    kind: ClassVar[str] = "prices"
    plural: ClassVar[str] = "prices"

    length: int
    """Bars of a window."""
    count: int
    """Largest number of windows to attack, the last ones in time."""

    @property
    def shape(self) -> tuple[int, int]:
        """Entries of a bar, bars of a window."""
        return len(BARS), self.length


@dataclass(frozen=True, eq=False)
class PriceBars:
    """A long series of bars."""

    values: NDArray[np.float64]
    """Open, high, low, close and volume of each bar, `[N, 5]`."""
    times: list[str]
    """Time of each bar as the source has it."""
    notes: list[str] = field(default_factory=list)
    """Remarks on how the source was read."""


def read_prices(source: str | Path, options: ReadOptions | None = None) -> PriceBars:
    """Read the bars of a table with a time column and columns of open, high, low, close and volume.

    Rows are sorted by time, and a repeated time counts once; both are noted. Raises UsageError where a column lacks, a
    price is not above 0, or a volume is below 0.
    """
    options = options or ReadOptions()
    if options.kind not in (None, "series"):
        raise UsageError(f"a strategy trades by a table of prices, read as series: leave out --kind {options.kind}")
    options = replace(options, kind="series", window=1)
    data = open_source(source, options, keep_duplicates=True).split(None)
    assert isinstance(data.spec, SeriesSpec)
    columns = column_places(data.spec.channels, str(source))
    values = data[np.arange(len(data))][:, columns, 0].astype(np.float64)
    times = [name.split(" to ")[0] for name in data.names]
    skipped = [
        f"skipped: {len(names):,}: {reason} ({names[0]}{', ...' if len(names) > 1 else ''})"
        for reason, names in sorted(data.skipped.items())
    ]
    remarks = [note for note in data.notes if "held out for testing" not in note]
    return PriceBars(*checked_bars(values, times, [*remarks, *skipped]))


def checked_bars(
    values: NDArray[np.float64], times: list[str], notes: list[str]
) -> tuple[NDArray[np.float64], list[str], list[str]]:
    """Return bars `[N, 5]`, times and notes; lows and highs are widened where open or close lie outside.

    Raises UsageError on a price that is not above 0, on a volume below 0, and where nothing was traded at all.
    """
    for place, name in enumerate(BARS):
        wrong = np.flatnonzero(values[:, place] < 0 if name == "volume" else values[:, place] <= 0)
        if len(wrong):
            limit = "0 or more" if name == "volume" else "above 0"
            raise UsageError(
                f"{name} of {times[wrong[0]]} is {values[wrong[0], place]:g}, and must be {limit} "
                f"({len(wrong):,} such bars): leave these rows out"
            )
    if not (values[:, 4] > 0).any():
        raise UsageError("volume is 0 in all bars: the cost of orders depends on what is traded, give the volumes")
    opened, high, low, close = values[:, :4].T
    outside = (high < np.maximum(opened, close)) | (low > np.minimum(opened, close))
    if outside.any():
        values = values.copy()
        values[:, 1], values[:, 2] = values[:, :4].max(1), values[:, :4].min(1)
        first = times[int(outside.argmax())]
        notes = [
            *notes,
            f"{int(outside.sum()):,} bars, such as {first}, had open or close outside low and high: widened",
        ]
    return values, times, notes


def column_places(channels: tuple[str, ...], source: str) -> list[int]:
    """Return the position of each entry of a bar among the `channels`; raises UsageError where one lacks."""
    letters = [re.sub(r"[^a-z]", "", name.lower()) for name in channels]
    places = []
    for entry, names in COLUMN_NAMES.items():
        place = next((letters.index(name) for name in names if name in letters), None)
        if place is None:
            raise UsageError(
                f"{source} has no column '{entry}' (it has {', '.join(channels)}): prices to trade by have open, high, "
                "low, close and volume"
            )
        places.append(place)
    return places

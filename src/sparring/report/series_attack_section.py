"""Results of an attack on series, and their section of the page: series before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sparring.report.blocks import Block, Drawing, Gallery, Text
from sparring.report.page import Section
from sparring.report.svg_plots import curve
from sparring.stats.proportion import Proportion

PAGE_SERIES = 6
"""Broken series on the page."""


@dataclass(frozen=True)
class SeriesAttackDetails:
    """Results that only series have."""

    success: Proportion
    """Attacked series, all of them classified correctly before, that are misclassified after."""
    channels: list[str]
    """Channels that the attack could change."""
    steps: tuple[int, int]
    """First and last time step that the attack could change."""

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON."""
        return asdict(self)

    def to_text(self) -> list[str]:
        """Return a line on the success of the attack."""
        return [f"success  {self.success} correctly classified series"]


@dataclass(frozen=True)
class ChangedSeries:
    """A channel of a broken series, in the units of the source."""

    title: str
    before: Sequence[float]
    after: Sequence[float]


def series_sections(series: Sequence[ChangedSeries]) -> list[Section]:
    """Return the section; `series` are some broken series."""
    plots: list[Block] = [
        Drawing(
            curve(
                each.title,
                {"original": list(enumerate(each.before)), "attacked": list(enumerate(each.after))},
                axis="step",
            )
        )
        for each in series
    ]
    message = "Series that are classified correctly, and the adversarial series that are not."
    return [Section("Adversarial series", Text(message if plots else ""), Gallery(plots, "curves"))]

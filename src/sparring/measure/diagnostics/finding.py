"""One statement about a run, and what all diagnoses share: series of metrics, their noise, divergence."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sparring.measure.diagnostics.training_length import Enough, TrainingLength, few_examples_note, number_of

Severity = Literal["ok", "notice", "problem"]
Lines = Sequence[Mapping[str, float]]
"""Lines of a metrics file, in order of `nimg`."""


@dataclass(frozen=True)
class Finding:
    """One statement about a run."""

    kind: str
    """"collapse", "overfit", "leak", "dominant", "starved", "blank", "short", "few", "far", "labels", "distinguished",
    "untrained", "diverged"; or "improving", "done", "stalled", "worse", "healthy", "unclear", "unseen"."""
    severity: Severity
    """"ok", "notice" (worth knowing), or "problem" (the result suffers from it)."""
    message: str
    """One sentence for users."""
    evidence: str = ""
    """Measurements behind the finding, in words."""
    advice: str = ""
    """Next flag to try, as `--augment ada`; empty if there is nothing to do."""

    def as_line(self) -> str:
        """Return message, evidence and advice as one line."""
        words = "; ".join(part for part in (self.message, self.evidence) if part)
        return f"{words}: {self.advice}" if self.advice else words


def find_diverged(lines: Lines) -> list[Finding]:
    """Find metrics that are NaN or infinite."""
    diverged_at = next((line["nimg"] for line in lines if not all(map(math.isfinite, line.values()))), None)
    if diverged_at is None:
        return []
    message = "The run has diverged: some metrics are NaN or infinite."
    advice = "a new run with a lower --lr; earlier checkpoints may still be usable"
    return [Finding("diverged", "problem", message, f"first at image {diverged_at:,.0f}", advice)]


def find_short(length: TrainingLength, enough: Enough, command: str) -> list[Finding]:
    """Find too few rounds or passes over the data; `command` continues the run."""
    if not length.examples or not enough.too_short(length):
        return []
    evidence = f"{length.passes_text()} ({length.examples:,} examples), {length.rounds:,} rounds"
    message = f"The training was short: {number_of(length.passes)} passes over the data give {enough.outcome}."
    smallest = enough.smallest(length)
    if length.planned > length.sampled:
        evidence += f", of {length.planned:,} examples that were planned"
    longer = "" if length.planned > max(length.sampled, smallest) else f" --images {smallest}"
    return [Finding("short", "problem", message, evidence, command + longer)]


def find_few(length: TrainingLength) -> list[Finding]:
    """Find too few training examples."""
    note = few_examples_note(length.examples, "examples") if length.examples else ""
    return [Finding("few", "notice", f"{note}.")] if note else []


def series(lines: Lines, name: str) -> list[float]:
    """Return the values of one metric."""
    return [line[name] for line in lines if name in line]


def recent(values: Sequence[float]) -> float:
    """Return the median of the last three values, which a single outlier does not change."""
    return statistics.median(values[-3:])


def noise(values: Sequence[float]) -> float:
    """Estimate the standard deviation of a value around a smooth trend, from second differences."""
    second = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return statistics.median(second) / (0.6745 * math.sqrt(6))  # the median ignores the steep first measurements

"""Conditions that a CI job puts on a proportion: a minimum, and the interval of an earlier report."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparring.engine.errors import UsageError

ReportJson = Mapping[str, Any]
"""Content of a report.json."""


@dataclass(frozen=True)
class CiGate:
    """Lower bounds on a proportion for which higher is better."""

    fail_below: float | None = None
    """Smallest proportion that passes."""
    baseline: str | Path | None = None
    """Path of the earlier report.json."""
    earlier: ReportJson = field(default_factory=dict)
    """Content of the earlier report."""
    interval: tuple[float, float] | None = None
    """Interval of the proportion in the earlier report."""

    @classmethod
    def read(
        cls,
        fail_below: float | None,
        baseline: str | Path | None,
        command: str,
        interval: Callable[[ReportJson], tuple[float, float]],
    ) -> CiGate:
        """Read the flags of these names; `interval` extracts the proportion's interval from a report of `command`.

        Raises UsageError where `fail_below` is outside [0, 1] or `baseline` is not such a report.
        """
        if fail_below is not None and not 0 <= fail_below <= 1:
            raise UsageError(f"--fail-below is a fraction from 0 to 1, not {fail_below:g}")
        if baseline is None:
            return cls(fail_below)
        try:
            earlier = json.loads(Path(baseline).read_text(encoding="utf-8"))
            low, high = interval(earlier)
            return cls(fail_below, baseline, earlier, (float(low), float(high)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else getattr(error, "strerror", None) or error
            raise UsageError(f"--baseline {baseline} is not a report.json of `sparring {command}`: {reason}") from error

    def check_comparable(self, settings: Mapping[str, Any]) -> None:
        """Raise UsageError where the earlier report was made with other `settings`."""
        if self.baseline is None:
            return
        before = self.earlier.get("settings", {})
        for name, now in json.loads(json.dumps(settings)).items():
            was = before.get(name)
            numbers = isinstance(was, float) and isinstance(now, int | float)
            if not (math.isclose(was, now, rel_tol=1e-6) if numbers else was == now):
                raise UsageError(f"--baseline {self.baseline} was made with {name} {was}, and this report with {now}")

    def failures(self, name: str, proportion: float) -> list[str]:
        """Return a message for each bound that the proportion called `name` misses."""
        messages = []
        if self.fail_below is not None and proportion < self.fail_below:
            messages.append(f"{name} is {proportion:.2%}, below the {self.fail_below:.2%} of --fail-below")
        if self.interval is not None and proportion < self.interval[0]:
            low, high = self.interval
            messages.append(f"{name} is {proportion:.2%}, below the baseline's interval from {low:.2%} to {high:.2%}")
        return messages

"""What is asked of a figure in a user's CI: at least a share, and no less than the interval of an earlier report."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparring.engine.errors import UsageError

Told = Mapping[str, Any]
"""A report.json."""


@dataclass(frozen=True)
class CiGate:
    """What a share, the better the higher, must reach."""

    fail_below: float | None = None
    baseline: str | Path | None = None
    """Where the earlier report is."""
    earlier: Told = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    """Of the share, there."""

    @classmethod
    def read(
        cls, fail_below: float | None, baseline: str | Path | None, command: str, interval: Callable[[Told], tuple[float, float]]
    ) -> CiGate:  # fmt: skip
        """From the flags of these names; `interval` finds the share's in a report of `command`. Raises UsageError."""
        if fail_below is not None and not 0 <= fail_below <= 1:
            raise UsageError(f"--fail-below is a share from 0 to 1, not {fail_below:g}")
        if baseline is None:
            return cls(fail_below)
        try:
            earlier = json.loads(Path(baseline).read_text(encoding="utf-8"))
            low, high = interval(earlier)
            return cls(fail_below, baseline, earlier, (float(low), float(high)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise UsageError(f"--baseline {baseline} is no report.json of `sparring {command}`: {why}") from error

    def check_comparable(self, now: Told) -> None:
        """Raise UsageError where the earlier report was made with other settings than `now`'s."""
        if self.baseline is None:
            return
        for name, value in now.items():
            was = self.earlier.get(name)
            same = math.isclose(was, value, rel_tol=1e-6) if isinstance(was, float) else was == value
            if not same:
                raise UsageError(f"--baseline {self.baseline} is of another {name}: {was} there, {value} here")

    def failures(self, what: str, share: float) -> list[str]:
        """What is not met, in words; `what` names the share."""
        found = []
        if self.fail_below is not None and share < self.fail_below:
            found.append(f"{what} is {share:.2%}, below the {self.fail_below:.2%} of --fail-below")
        if self.interval is not None and share < self.interval[0]:
            low, high = self.interval
            found.append(f"{what} is {share:.2%}, below the baseline's interval from {low:.2%} to {high:.2%}")
        return found

"""The verdict of `sparring tune`: whether the best settings beat the defaults beyond noise, on fresh seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sparring.stats.intervals import LEVEL, Interval


@dataclass(frozen=True)
class Verdict:
    """Scores of the defaults and of the best settings on the same fresh seeds, which the search has not used."""

    defaults: tuple[float, ...]
    best: tuple[float, ...]
    gain: Interval
    """Mean score of the defaults minus that of the best settings, with its 95 % interval; above 0 is better."""
    outcome: str
    """`better`, `worse`, or `within noise`."""

    def to_text(self, score: str) -> str:
        """Return the verdict in one sentence."""
        text = {
            "better": "The best settings are better than the defaults",
            "worse": "The best settings are worse than the defaults",
            "within noise": "The gain over the defaults is within noise",
        }[self.outcome]
        return (
            f"{text}: {score} {statistics.fmean(self.best):.4g} instead of {statistics.fmean(self.defaults):.4g}, "
            f"a gain of {self.gain.value:.4g} (95 % interval {self.gain.low:.4g} to {self.gain.high:.4g}, "
            f"{len(self.best)} fresh seeds)"
        )


def compare(defaults: Sequence[float], best: Sequence[float]) -> Verdict:
    """Return the verdict on scores of the same seeds in order, two or more: Student's interval of their differences."""
    from scipy.stats import t

    differences = [a - b for a, b in zip(defaults, best, strict=True)]
    gain = statistics.fmean(differences)
    error = statistics.stdev(differences) / len(differences) ** 0.5
    half = float(t.ppf((1 + LEVEL) / 2, len(differences) - 1)) * error
    low, high = gain - half, gain + half
    outcome = "better" if low > 0 else "worse" if high < 0 else "within noise"
    return Verdict(tuple(defaults), tuple(best), Interval(gain, low, high), outcome)

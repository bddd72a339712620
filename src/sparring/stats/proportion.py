"""A share of several, with its interval: what stands under attack, what is certain, what is heard."""

from __future__ import annotations

from dataclasses import dataclass

from sparring.stats.intervals import wilson_interval


@dataclass(frozen=True)
class Proportion:
    """How many of several are right, at one radius of an attack or without any."""

    eps: float
    """The radius; 0 without an attack, and where none is meant."""
    right: int
    of: int
    share: float
    """From 0 to 1."""
    low: float
    """Ends of the 95 % interval of the share (Wilson)."""
    high: float

    @classmethod
    def count(cls, right: int, of: int, eps: float = 0.0) -> Proportion:
        """With its interval; raises ValueError unless `right` is from 0 to `of`, and `of` 1 or more."""
        low, high = wilson_interval(right, of)
        return cls(eps, right, of, right / of, low, high)

    def to_json(self) -> dict[str, int | float]:
        """As the reports of sounds hold it, which know no radius."""
        return {"hits": self.right, "of": self.of, "low": self.low, "high": self.high}

    def __str__(self) -> str:
        return f"{self.share:.1%} ({self.low:.1%} to {self.high:.1%}), {self.right:,} of {self.of:,}"

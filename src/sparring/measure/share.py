"""A share of several, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from sparring.measure.classified import wilson_interval


@dataclass(frozen=True)
class Share:
    """Some of several, with the ends of its 95 % interval (Wilson)."""

    hits: int
    of: int
    low: float
    high: float

    @classmethod
    def count(cls, hits: int, of: int) -> Share:
        """With the interval."""
        return cls(hits, of, *wilson_interval(hits, of))

    def __str__(self) -> str:
        return f"{self.hits / self.of:.1%} ({self.low:.1%} to {self.high:.1%}), {self.hits:,} of {self.of:,}"

"""The privacy ledger: each access to private rows, what it costs, and the total."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from sparring.engine.errors import SparringError, UsageError
from sparring.privacy.accountant import gaussian_epsilon, rdp_epsilon, zcdp_epsilon
from sparring.privacy.mechanisms import Gaussian, Mechanism, mechanism_from_json, mechanism_to_json

ADJACENCY = "one row added or removed"
"""What neighbouring data differ in."""
LARGE_EPSILON = 50.0
"""Epsilon above which the bound means little in practice: a likelihood ratio of e^50."""
TOLERANCE = 1e-4
"""Relative excess of a total over its budget that rounding may cause."""


@dataclass(frozen=True)
class Budget:
    """The guarantee: P(outcome with a row) <= e^epsilon P(outcome without it) + delta, and the reverse."""

    epsilon: float
    delta: float

    @classmethod
    def of(cls, epsilon: float, delta: float | None, rows: int) -> Self:
        """Return the budget for a number of rows; raise UsageError where it is out of range.

        `delta` of None is 1e-5, or a tenth of 1/rows where that is smaller.
        """
        if not isinstance(epsilon, int | float) or not math.isfinite(epsilon) or epsilon <= 0:
            raise UsageError(f"--private must be a number above 0, not {epsilon}: 1 is a common choice, 10 is weak")
        delta = min(1e-5, 0.1 / rows) if delta is None else delta
        if not 0 < delta < 1:
            raise UsageError(f"--delta must be above 0 and below 1, not {delta}: 1e-5 is a common choice")
        if delta >= 1 / rows:
            raise UsageError(
                f"--delta {delta:g} is not below 1/n of n = {rows:,} rows: a row published unchanged would satisfy it. "
                f"Take {0.1 / rows:.0e} or less"
            )
        return cls(float(epsilon), float(delta))

    def notes(self) -> list[str]:
        """Return a remark on an epsilon that guarantees almost nothing."""
        if self.epsilon <= LARGE_EPSILON:
            return []
        return [f"epsilon {self.epsilon:g} guarantees almost nothing: take 10 or less, or train without --private"]


@dataclass(frozen=True)
class Release:
    """An access to private rows whose result is public."""

    what: str
    mechanism: Mechanism
    sensitivity: float
    """Largest change of the result by one row, in the norm of the mechanism."""

    @property
    def noise(self) -> float | None:
        """Standard deviation of the Gaussian noise; None of a selection."""
        multiplier = getattr(self.mechanism, "noise_multiplier", None)
        return None if multiplier is None else multiplier * self.sensitivity


@dataclass(frozen=True)
class Ledger:
    """All releases from the private rows of a run, within a budget."""

    budget: Budget
    releases: tuple[Release, ...] = ()
    public: tuple[str, ...] = field(default=())
    """What is treated as public knowledge: each is an assumption of the guarantee."""
    adjacency: str = ADJACENCY

    def add(self, *releases: Release) -> Self:
        """Return the ledger with further releases; raise SparringError where the budget does not allow them."""
        ledger = replace(self, releases=(*self.releases, *releases))
        total, allowed = ledger.epsilon(), self.budget.epsilon
        if total > allowed * (1 + TOLERANCE):
            raise SparringError(f"the releases cost epsilon {total:.4g}, the budget is {allowed:g}: add more noise")
        return ledger

    def epsilon(self, count: int | None = None) -> float:
        """Return the epsilon of all releases, or of the first `count`, at the budget's delta.

        Gaussian mechanisms compose exactly; with selections, in zCDP; with subsampling, in RDP.
        """
        mechanisms = [release.mechanism for release in self.releases[:count]]
        if not mechanisms:
            return 0.0
        delta, rhos = self.budget.delta, [mechanism.rho for mechanism in mechanisms]
        known = [rho for rho in rhos if rho is not None]
        if len(known) < len(rhos):
            return rdp_epsilon(sum(mechanism.rdp() for mechanism in mechanisms), delta)  # type: ignore[arg-type]
        if all(isinstance(mechanism, Gaussian) for mechanism in mechanisms):
            return gaussian_epsilon(1 / math.sqrt(2 * sum(known)), delta)
        return zcdp_epsilon(sum(known), delta)

    def to_json(self) -> dict[str, Any]:
        """Return the ledger for JSON, with the total."""
        releases = [
            {
                "what": release.what,
                "mechanism": mechanism_to_json(release.mechanism),
                "sensitivity": release.sensitivity,
                "noise": release.noise,
                "rho": release.mechanism.rho,
                "epsilon": replace(self, releases=(release,)).epsilon(),
            }
            for release in self.releases
        ]
        budget = {"epsilon": self.budget.epsilon, "delta": self.budget.delta}
        return {
            "budget": budget, "adjacency": self.adjacency, "public": list(self.public),
            "releases": releases, "total_epsilon": self.epsilon(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Return the ledger that `to_json` wrote; raise SparringError where it is damaged."""
        try:
            releases = tuple(
                Release(each["what"], mechanism_from_json(each["mechanism"]), each["sensitivity"])
                for each in saved["releases"]
            )
            return cls(Budget(**saved["budget"]), releases, tuple(saved["public"]), saved["adjacency"])
        except (KeyError, TypeError) as error:
            raise SparringError(f"the privacy ledger is damaged ({error}): restore privacy.json from a copy") from error

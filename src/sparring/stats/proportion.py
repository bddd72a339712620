"""Represent a proportion with its confidence interval, and one at a radius of an attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import Tensor

from sparring.stats.intervals import clopper_pearson_interval, normal_interval, wilson_interval

Method = Literal["wilson", "clopper-pearson", "normal", "block-bootstrap"]
COUNTS: Mapping[Method, Callable[[int, int], tuple[float, float]]] = {
    "wilson": wilson_interval,
    "clopper-pearson": clopper_pearson_interval,
}
"""Interval of a count by method."""


@dataclass(frozen=True)
class Proportion:
    """Fraction of rows with a property, such as accuracy or attack success, with its 95 % confidence interval.

    >>> print(Proportion.count(1, 2))
    50.0% (9.5% to 90.5%), 1 of 2
    """

    hits: float
    """Number of rows with the property; for rows with a probability each, the sum of these."""
    total: int
    """Number of rows, 1 or more."""
    low: float
    """Lower end of the 95 % interval, in [0, 1]."""
    high: float
    """Upper end of the 95 % interval, in [0, 1]."""
    method: Method = "wilson"
    """Name of the interval."""
    value: float = field(init=False)
    """The fraction hits / total, in [0, 1]; a field, so that the JSON of a report has it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self.hits / self.total)

    @classmethod
    def count(cls, hits: int, total: int, method: Method = "wilson") -> Proportion:
        """Return `hits` of `total` with its interval; raises ValueError unless 0 <= hits <= total and total >= 1."""
        low, high = COUNTS[method](hits, total)
        return cls(hits, total, low, high, method)

    @classmethod
    def mean(cls, probabilities: Tensor) -> Proportion:
        """Return the mean of `probabilities` `[N]`, one for each row, with its normal interval."""
        low, high = normal_interval(probabilities)
        return cls(float(probabilities.sum()), len(probabilities), low, high, "normal")

    @property
    def complement(self) -> Proportion:
        """The rows without the property."""
        return Proportion(self.total - self.hits, self.total, 1 - self.high, 1 - self.low, self.method)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Proportion:
        """Return what `to_json` wrote; raises KeyError where a field is missing."""
        return cls(*(values[name] for name in ("hits", "total", "low", "high", "method")))

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name: hits, total, low, high, method, value."""
        return asdict(self)

    def text(self, digits: int = 1) -> str:
        """Return the percentage with its interval, with `digits` digits after the point."""
        value, low, high = (f"{number:.{digits}%}" for number in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"

    def __str__(self) -> str:
        return f"{self.text()}, {self.hits:,.6g} of {self.total:,}"


def beats_constant_answer(accuracy: Proportion, labels: Tensor) -> bool:
    """Return whether an accuracy is surely above that of the most frequent of `labels` `[N]` as answer for all.

    No attack changes a constant answer, so that it is a bound for robust accuracy as well.
    """
    return accuracy.low > int(labels.bincount().max()) / len(labels)


@dataclass(frozen=True)
class CurvePoint:
    """Proportion at one radius of an attack or a certificate."""

    eps: float
    """Radius, in the units of the threat model; 0 without an attack."""
    accuracy: Proportion
    """Correct or unbroken rows at this radius."""

    @classmethod
    def count(cls, eps: float, hits: int, total: int) -> CurvePoint:
        """Return the point of `hits` of `total` rows at radius `eps`, with a Wilson interval."""
        return cls(eps, Proportion.count(hits, total))

"""What an audit of features reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparring.stats.intervals import Interval
from sparring.stats.proportion import Proportion

FEATURES, RAW, SHUFFLED = "features", "raw data", "shuffled groups"
"""What is attacked; shuffled groups are independent of the features, so they show the chance level."""


@dataclass(frozen=True)
class Leak:
    """How well the best fresh adversary predicts the group, on rows that it was not trained on."""

    attacked: str
    """The features, the raw data, or the features with shuffled groups."""
    label: str | None
    """Class within which the group is predicted; None: all rows."""
    adversary: str
    """Family and setting, chosen by cross-validation in the training half."""
    auc: Interval
    """AUC, or one minus it; of more than two groups the mean of one against the rest."""
    balanced_accuracy: Interval
    """Mean over groups of the proportion that is recognised; chance is one by the number of groups."""
    recalls: Mapping[str, Proportion]
    """Proportion of each group that is recognised, with its exact interval."""
    bits: Interval
    """Lower bound of the mutual information of features and group that the adversary reaches, in bits."""
    families: Mapping[str, float]
    """AUC of each family in the cross-validation."""
    train_rows: int
    test_rows: int

    @property
    def gap(self) -> Interval | None:
        """Gap of positive rates between two groups that this adversary, as a user of the features, would have."""
        if len(self.recalls) != 2:
            return None
        mean = self.balanced_accuracy
        return Interval(*(max(2 * end - 1, 0.0) for end in (mean.value, mean.low, mean.high)))

    def to_json(self) -> dict[str, Any]:
        """Return all figures by name."""
        return {
            "attacked": self.attacked,
            "label": self.label,
            "adversary": self.adversary,
            "auc": self.auc.to_json(),
            "balanced_accuracy": self.balanced_accuracy.to_json(),
            "recalls": {name: recall.to_json() for name, recall in self.recalls.items()},
            "bits": self.bits.to_json(),
            "gap": self.gap.to_json() if self.gap else None,
            "families": {name: round(auc, 6) for name, auc in self.families.items()},
            "train_rows": self.train_rows,
            "test_rows": self.test_rows,
        }


@dataclass(frozen=True)
class Certificate:
    """Bound for every user of finite codes: no decision from the codes alone differs more between two groups."""

    label: str | None
    """Class within which it holds; None: all rows."""
    codes: int
    """Number of distinct codes among the rows."""
    distance: float
    """Largest total variation distance of the codes of two groups, among the rows."""
    bound: float
    """Bound of the distance in the population, with 95 % confidence for all pairs of groups and all classes."""
    pair: tuple[str, str]
    """Groups whose bound it is."""
    rows: tuple[int, int]
    """Number of rows of these groups."""

    def to_json(self) -> dict[str, Any]:
        """Return all figures by name."""
        numbers = {"distance": round(self.distance, 6), "bound": round(self.bound, 6)}
        return {"label": self.label, "codes": self.codes, **numbers, "pair": list(self.pair), "rows": list(self.rows)}


@dataclass(frozen=True)
class LeakageReport:
    """All attacks on the features, and the certificates of finite codes."""

    protocol: dict[str, Any]
    message: str
    """Summary of the figures, in sentences."""
    leaks: tuple[Leak, ...]
    certificates: tuple[Certificate, ...]
    """One for all rows and one within each class; none where the features are no finite codes."""
    warnings: tuple[str, ...] = ()

    def of(self, attacked: str, label: str | None = None) -> Leak | None:
        """Return the attack on `attacked` within the class `label`; None where there was none."""
        return next((leak for leak in self.leaks if (leak.attacked, leak.label) == (attacked, label)), None)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "protocol": self.protocol,
            "message": self.message,
            "leaks": [leak.to_json() for leak in self.leaks],
            "certificates": [certificate.to_json() for certificate in self.certificates],
            "warnings": list(self.warnings),
        }

"""Compare a network with boosted trees: chosen by validation rows, reported on test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sparring.stats.intervals import Interval, ends_of, resampled_means

NETWORK, TREES = "network", "boosted trees"


@dataclass(frozen=True)
class TreeComparison:
    """Mean losses of a network and of boosted trees, and which of them answers."""

    loss: str
    """Name of the loss: log loss, or pinball loss."""
    winner: str
    """Which one answers, `network` or `boosted trees`: the one with the lower loss on the validation rows."""
    validation_rows: int
    """Number of rows that neither learnt from, by which the winner was chosen; 0: none, and the network answers."""
    validation: Interval | None = None
    """Loss of the network minus that of the trees on the validation rows."""
    tested_on: str = ""
    """Description of the test rows; empty without a test, as what follows is None."""
    network: float | None = None
    """Mean loss of the network on the test rows."""
    trees: float | None = None
    """Mean loss of the trees on the test rows."""
    difference: Interval | None = None
    """Loss of the network minus that of the trees on the test rows."""
    network_auc: Interval | None = None
    """Area under the ROC curve of the network on the test rows; of two classes alone."""
    trees_auc: Interval | None = None
    """The same of the trees."""

    @property
    def choice_text(self) -> str:
        """Return how the winner was chosen, as a sentence without a full stop."""
        if self.validation is None:
            return "the network answers, as too few labels are set aside to choose by"
        ends = _signed(self.validation)
        by = f"on {self.validation_rows:,} validation rows its {self.loss} minus that of boosted trees is {ends}"
        if self.winner == NETWORK:
            return f"the network answers: {by}"
        return f"boosted trees answer in place of the network: {by}"

    @property
    def test_text(self) -> str:
        """Return both losses on the test rows; empty without a test."""
        if self.difference is None or self.network is None or self.trees is None:
            return ""
        text = (
            f"{self.loss} on the {self.tested_on}: network {self.network:.4f}, boosted trees {self.trees:.4f}, "
            f"difference {_signed(self.difference)}"
        )
        if self.network_auc is not None and self.trees_auc is not None:
            text += f"; AUC {self.network_auc.text(4, 1)} and {self.trees_auc.text(4, 1)}"
        return text

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> TreeComparison:
        """Return what `dataclasses.asdict` and JSON made of one."""
        intervals = ("validation", "difference", "network_auc", "trees_auc")
        read = {name: Interval(**fields[name]) for name in intervals if fields[name] is not None}
        return cls(**{**fields, **read})


def mean_interval(values: Tensor) -> Interval:
    """Return the mean of values `[N]` with its bootstrap interval."""
    return Interval(float(values.double().mean()), *ends_of(resampled_means(values)))


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"

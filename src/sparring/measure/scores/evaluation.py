"""Results of an evaluation as typed objects; `to_json` is what `sparring evaluate --json` prints."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Score:
    """One score with its 95 % interval, and its real-vs-real baseline by the same protocol."""

    name: str
    """Name with the feature net, `fd[trained-1a2b]`; scores of different names are not comparable."""
    value: float
    low: float
    high: float
    """Upper end of the 95 % interval."""
    real_baseline: float | None
    """Score of real data against real data; None if there are too few real rows."""


@dataclass(frozen=True)
class ComparedScore:
    """One score that only this kind of data has, beside the same score of other rows in place of the samples."""

    name: str
    value: float
    low: float
    high: float
    """Upper end of the 95 % interval; NaN where it is not known."""
    summary: str
    """What the score says, and which values are good."""
    beside: dict[str, float]
    """Score of real halves, of copies of training rows, and of simple generators, by their names."""


@dataclass(frozen=True)
class TwoSampleResult:
    """Accuracy of newly trained judges at separating samples from data; 0.5 at the equilibrium."""

    accuracy: float
    """Accuracy of the best judge on held-out rows: chance is 0.5, more is a lower bound."""
    low: float
    high: float
    """Upper end of the exact 95 % interval."""
    tested: int
    """Number of held-out rows."""
    judge: str
    """Judge that was best on rows of the training half."""
    detectable: float
    """Smallest accuracy that would have been noticed with a probability of 80 %."""
    duality_gap: float | None = None
    """Duality gap of the run's game (Grnarova et al. 2019), 0 at an equilibrium; None for samples without a run."""
    message: str = ""
    """Result as a sentence."""


@dataclass(frozen=True)
class Memorisation:
    """Test whether samples are nearer to the training rows than held-out real rows are."""

    p_value: float
    """p-value of C_T (Meehan et al. 2020); a small one means that samples copy training rows."""
    c_t: float
    """Statistic C_T: well below 0 if samples are copies, well above 0 if they are far from the data."""
    copied_fraction: float
    """Fraction of the samples that are nearer to a training row than nearly all held-out rows; 0 within chance."""
    equal: int
    """Number of samples that are equal to a training row."""
    duplicates: int
    """Number of pairs of samples that are nearer to each other than nearly any two real rows."""
    message: str = ""
    """Result as a sentence."""


@dataclass(frozen=True)
class Evaluation:
    """All results of an evaluation, with their protocol."""

    protocol: dict[str, Any]
    """Reference, split, counts, resize filter, feature net and its hash, weights, truncation, seed, versions."""
    scores: tuple[Score, ...]
    two_sample: TwoSampleResult | None = None
    memorisation: Memorisation | None = None
    warnings: tuple[str, ...] = field(default=())
    kind_scores: tuple[ComparedScore, ...] = ()
    """Scores that only this kind of data has."""

    def __getitem__(self, name: str) -> Score:
        """Return the score of this name, with or without the brackets: `evaluation["fd"]`."""
        for score in self.scores:
            if name in (score.name, score.name.partition("[")[0]):
                return score
        raise KeyError(f"no score '{name}': {', '.join(score.name for score in self.scores)}")

    def of_kind(self, name: str) -> ComparedScore:
        """Return the score of this name that only this kind of data has."""
        for score in self.kind_scores:
            if score.name == name:
                return score
        raise KeyError(f"no score '{name}': {', '.join(score.name for score in self.kind_scores)}")

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON; NaN and infinities become None."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

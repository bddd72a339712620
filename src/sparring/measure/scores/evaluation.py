"""What an evaluation tells, as typed objects; `to_json` is what `sparring evaluate --json` prints."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Score:
    """One score with its interval, and the floor: what real data score against real data, by the same protocol."""

    name: str
    """With the features in it, `fd[trained-1a2b]`: scores of different names cannot be compared."""
    value: float
    low: float
    high: float
    """Ends of the 95 % interval."""
    real_baseline: float | None
    """None where there is not enough real data to know."""


@dataclass(frozen=True)
class TwoSampleResult:
    """How well a fresh discriminator tells samples from data: at the equilibrium it can only guess."""

    accuracy: float
    """On rows that it was not trained on; 0.5 is guessing."""
    low: float
    high: float
    """Ends of the exact 95 % interval."""
    tested: int
    """Rows that the accuracy was taken on."""
    duality_gap: float | None = None
    """Of the run's own game (Grnarova et al. 2019): 0 at an equilibrium; None for samples without a run."""
    message: str = ""


@dataclass(frozen=True)
class Memorisation:
    """Whether samples lie nearer to the training images than fresh data do."""

    p_value: float
    """Of C_T: how often honest samples would lie so near (Meehan et al. 2020). Small: the model copies."""
    c_t: float
    """The test's statistic: far below 0 where samples are copies, far above where they miss the data."""
    copied_fraction: float
    """Share of the samples that are nearer to a training image than nearly all held-out images are."""
    duplicates: int
    """Pairs of samples that are nearer to each other than nearly any two real images are."""
    message: str = ""


@dataclass(frozen=True)
class Evaluation:
    """All that was measured, and how."""

    protocol: dict[str, Any]
    """Reference, split, counts, resize filter, feature net and its hash, weights, truncation, seed, versions."""
    scores: tuple[Score, ...]
    two_sample: TwoSampleResult | None = None
    memorisation: Memorisation | None = None
    warnings: tuple[str, ...] = field(default=())

    def __getitem__(self, name: str) -> Score:
        """The score of this name, with or without the features in brackets: `evaluation["fd"]`."""
        for score in self.scores:
            if name in (score.name, score.name.partition("[")[0]):
                return score
        raise KeyError(f"no score '{name}': {', '.join(score.name for score in self.scores)}")

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON, which has no word for what is no finite number: None."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

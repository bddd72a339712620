"""Judge by rounds and by passes over the data whether a training is long enough to show its result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingLength:
    """Number of examples that a training draws, and of those that there are."""

    sampled: int
    """Training examples that are drawn, repeated ones included."""
    examples: int
    """Training examples that there are."""
    batch_size: int
    planned: int = 0
    """Training examples that the plan draws, more than `sampled` in a training that was stopped."""

    @property
    def rounds(self) -> int:
        """Number of batches."""
        return self.sampled // max(self.batch_size, 1)

    @property
    def passes(self) -> float:
        """Number of times that each example is drawn, on average."""
        return self.sampled / max(self.examples, 1)

    def passes_text(self) -> str:
        """Return the passes as `1.8 passes over the data`."""
        return f"{number_of(self.passes)} pass{'es' * (self.passes != 1)} over the data"


@dataclass(frozen=True)
class Enough:
    """Rounds and passes from which results are worth looking at; fewer passes do with many more rounds."""

    rounds: int
    passes: float
    many_rounds: int
    """Rounds after which the number of passes does not matter."""
    outcome: str
    """What a shorter training gives."""

    def too_short(self, length: TrainingLength) -> bool:
        """Return whether there are too few rounds, or too few passes and not many rounds."""
        few_passes = length.passes < self.passes and length.rounds < self.many_rounds
        return length.rounds < self.rounds or few_passes

    def smallest(self, length: TrainingLength) -> int:
        """Return the smallest number of drawn examples that is enough, for the same data and batches."""
        by_passes = min(self.passes * length.examples, self.many_rounds * length.batch_size)
        return int(max(self.rounds * length.batch_size, by_passes))


GENERATOR = Enough(rounds=500, passes=3, many_rounds=3_000, outcome="rough samples")
DENSITY = Enough(rounds=300, passes=1, many_rounds=2_000, outcome="a likelihood that still rises quickly")
CLASSIFIER = Enough(rounds=100, passes=1, many_rounds=1_000, outcome="little better than guesses")
REGRESSOR = Enough(rounds=300, passes=3, many_rounds=3_000, outcome="little better than the median")
FEW_EXAMPLES = 100
"""Number of training examples below which a network learns these, and not what they have in common."""


def few_examples_note(examples: int, unit: str) -> str:
    """Return a warning where there are too few examples to learn from, else an empty text."""
    if examples >= FEW_EXAMPLES:
        return ""
    return (
        f"{examples:,} training {unit} are few: a network learns each of them, and not what they have in common. "
        f"Hundreds of {unit} are needed, thousands are better"
    )


def number_of(value: float) -> str:
    """Return a number with one digit after the point below 10, else none."""
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:,.0f}"

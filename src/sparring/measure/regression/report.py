"""The test of a regressor: errors beside those of a constant answer, and the coverage of its intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparring.games.quantiles import pinball_losses
from sparring.measure.boosting.comparison import TreeComparison, mean_interval
from sparring.stats.intervals import Interval, Z
from sparring.stats.proportion import Proportion


@dataclass(frozen=True)
class NumberTest:
    """Test of one predicted number, in its own unit."""

    name: str
    """Name of the column, or the place of the number in the label."""
    error: Interval
    """Mean absolute error."""
    root_mean_square: Interval
    """Root of the mean squared error."""
    constant_error: Interval
    """Mean absolute error of always answering the median of the training examples; in `evaluate` of the tested ones."""
    gain: Interval
    """Pinball loss of the quantiles of these examples minus that of the model's value and interval."""
    covered: Proportion
    """Fraction of the numbers that are within their intervals."""
    width: Interval
    """Mean width of the intervals."""
    constant_width: float
    """Width of the one interval between the quantiles of these examples."""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> NumberTest:
        """Return what `dataclasses.asdict` and JSON made of one."""
        names = ("error", "root_mean_square", "constant_error", "gain", "width")
        read: dict[str, Any] = {name: Interval(**fields[name]) for name in names}
        return cls(
            name=fields["name"], covered=Proportion.from_json(fields["covered"]),
            constant_width=fields["constant_width"], **read,
        )  # fmt: skip


@dataclass(frozen=True)
class RegressionReport:
    """Test of a trained regressor; `--json` prints it."""

    run: str
    """Run folder."""
    recipe: str
    """Name of the recipe."""
    minutes: float
    """Duration of the training."""
    seed: int
    """Random seed of the training."""
    examples: int
    """Number of training examples with a number, those for validation and calibration among them."""
    validation_examples: int
    """Number of these that the model was chosen by."""
    calibration_examples: int
    """Number of these that the intervals were calibrated by."""
    coverage: float
    """Nominal coverage of the intervals."""
    notes: list[str] = field(default_factory=list)
    """Remarks on the data and the training."""
    tested_on: str = ""
    """Description of the test examples."""
    numbers: list[NumberTest] = field(default_factory=list)
    """Test of each number of a label."""
    trees: TreeComparison | None = None
    """Comparison with boosted trees; of tables alone."""

    @property
    def calibration_spread(self) -> float:
        """Half the width of the range that holds the coverage of 95 % of all choices of the calibration examples.

        Given these, the coverage has a beta distribution (Vovk 2012, Proposition 2a), here by its deviation.
        """
        return Z * math.sqrt(self.coverage * (1 - self.coverage) / (self.calibration_examples + 2))

    @property
    def verdict(self) -> str:
        """Statement that no number is predicted better than without a model; empty where one is."""
        if any(test.gain.low > 0 for test in self.numbers):
            return ""
        return "The regressor has learnt nothing: it is no better than the quantiles of the training examples."

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RegressionReport:
        """Return what `dataclasses.asdict` and JSON made of one."""
        values: dict[str, Any] = {name: fields[name] for name in cls.__dataclass_fields__}
        values["numbers"] = [NumberTest.from_json(test) for test in fields["numbers"]]
        values["trees"] = None if fields["trees"] is None else TreeComparison.from_json(fields["trees"])
        return cls(**values)


def measure_number(
    name: str, predicted: tuple[Tensor, Tensor, Tensor], y: Tensor, train: Tensor, coverage: float
) -> NumberTest:
    """Return the test of predicted values and ends of intervals `[N]` for `y` `[N]`; `train` `[M]` was trained on."""
    value, low, high = (values.double() for values in predicted)
    y, levels = y.double(), torch.tensor([(1 - coverage) / 2, 0.5, (1 + coverage) / 2], dtype=torch.float64)
    simple = torch.from_numpy(np.quantile(train.double().numpy(), levels.numpy()))
    least, median, most = simple.tolist()
    losses, simple_losses = (
        pinball_losses(quantiles[:, None], y[:, None], levels)
        for quantiles in (torch.stack([low, value, high], 1), simple.expand(len(y), 3))
    )
    errors, constant = (value - y).abs(), (median - y).abs()
    squares = mean_interval((value - y).square())
    roots = (max(square, 0.0) ** 0.5 for square in (squares.value, squares.low, squares.high))
    inside = int(((low <= y) & (y <= high)).sum())
    return NumberTest(
        name, mean_interval(errors), Interval(*roots), mean_interval(constant), mean_interval(simple_losses - losses),
        Proportion.count(inside, len(y)), mean_interval(high - low), float(most - least),
    )  # fmt: skip

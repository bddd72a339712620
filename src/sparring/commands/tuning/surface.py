"""The surface of the scores over the settings: a Gaussian process on the results of a search."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.commands.tuning.search import Params, TrialResult
from sparring.recipes.recipe import Range
from sparring.stats.intervals import Z

STEPS = 24
"""Points of a curve, and of each side of a map."""
MIN_TRIALS = 4
"""Fewest scores of which a surface is drawn."""


class Surface:
    """Expected scores with their 95 % bands, by a Gaussian process with a Matérn kernel (5/2) and noise."""

    def __init__(self, space: Mapping[str, Range], trials: Sequence[TrialResult]) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern, WhiteKernel

        self.space = dict(space)
        x = np.array([self.to_unit(t.params) for t in trials])
        y = np.array([t.score for t in trials], float)
        kernel = Matern([0.5] * len(space), (0.2, 10.0), nu=2.5) + WhiteKernel(0.1, (1e-4, 1.0))
        self._model: Any = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=2, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a length scale at its bound: the field does not matter
            self._model.fit(x, y)

    def to_unit(self, params: Params) -> list[float]:
        """Return settings as numbers from 0 to 1, on the scales of their fields."""
        return [position(self.space[name], params[name]) for name in self.space]

    def curve(self, name: str, at: Params) -> tuple[list[float], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return values of one field, and expected score, lower and upper end there; the other fields are as `at`."""
        grid = np.linspace(0, 1, STEPS)
        points = np.tile(self.to_unit(at), (STEPS, 1))
        points[:, list(self.space).index(name)] = grid
        mean, std = self._model.predict(points, return_std=True)
        return [axis_value(self.space[name], u) for u in grid], mean, mean - Z * std, mean + Z * std

    def map(self, across: str, up: str, at: Params) -> NDArray[Any]:
        """Return expected scores `[STEPS, STEPS]` over two fields, the first row at the lowest value of `up`."""
        grid = np.linspace(0, 1, STEPS)
        points = np.tile(self.to_unit(at), (STEPS, STEPS, 1))
        names = list(self.space)
        points[..., names.index(across)] = grid
        points[..., names.index(up)] = grid[:, None]
        mean: NDArray[Any] = self._model.predict(points.reshape(-1, len(names))).reshape(STEPS, STEPS)
        return mean


def position(of: Range, value: float) -> float:
    """Return where a value lies in its range, from 0 to 1, on the scale of the field."""
    if of.log:
        return (math.log(value) - math.log(of.low)) / (math.log(of.high) - math.log(of.low))
    return (value - of.low) / (of.high - of.low)


def axis_value(of: Range, unit: float) -> float:
    """Return the value at `unit` in [0, 1] for an axis: the power of ten of a logarithmic field."""
    low, high = (math.log10(of.low), math.log10(of.high)) if of.log else (of.low, of.high)
    return low + unit * (high - low)


def axis_name(name: str, of: Range) -> str:
    """Return the name of a field for an axis."""
    return f"log10 of {name}" if of.log else name

"""Simple generators of series: bootstraps of steps and of blocks, a GARCH(1,1) model and a vector autoregression.

They learn from the long stretches that training windows were cut from, where these overlap, else from the windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.engine.data_spec import SeriesSpec
from sparring.measure.kinds.series_moves import from_moves, join_windows, returns_of, to_moves
from sparring.measure.rivals.garch import fit_garch, simulate_garch
from sparring.measure.rivals.rivals import LabelledRows, Rival

Floats = NDArray[np.float64]
Draw = Callable[[Sequence[Floats], int, int, np.random.Generator], Floats]
"""(moves of stretches `[C, L]`, number of samples, their steps, rng) -> moves of samples `[n, C, steps]`."""
JITTER = 1e-9
"""Part of the variances that is added to covariances, whose root is taken."""


def series_rivals(spec: SeriesSpec) -> Mapping[str, Rival]:
    """Return the simple generators of series; GARCH is for log-returns alone."""
    rivals = {
        "iid bootstrap": of_moves(iid_bootstrap),
        "block bootstrap": of_moves(block_bootstrap),
        "VAR(1)": of_moves(vector_autoregression),
    }
    if spec.codes and all(code.returns for code in spec.codes):
        rivals["GARCH-t"] = of_moves(garch)
    return rivals


def of_moves(draw: Draw) -> Rival:
    """Return the rival that draws moves, and begins each window where some training window begins."""

    def rival(spec: Any, training: LabelledRows, count: int, rng: np.random.Generator) -> LabelledRows:
        returns = returns_of(spec, training.rows)
        starts = training.rows[rng.integers(len(training), size=count), :, 0].astype(np.float64)
        stretches = [to_moves(stretch[None], returns)[0] for stretch in join_windows(training.rows)]
        moves = draw(stretches, count, training.rows.shape[2] - 1, rng)
        return LabelledRows(from_moves(moves, starts, returns), np.full(count, -1))

    return rival


def iid_bootstrap(stretches: Sequence[Floats], count: int, steps: int, rng: np.random.Generator) -> Floats:
    """Draw every step from all steps of the training series, on its own, with all channels together."""
    pool = np.concatenate(stretches, 1)
    return pool[:, rng.integers(pool.shape[1], size=(count, steps))].transpose(1, 0, 2)


def block_bootstrap(
    stretches: Sequence[Floats], count: int, steps: int, rng: np.random.Generator, length: float | None = None
) -> Floats:
    """Draw blocks of geometric lengths (Politis and Romano 1994, "The stationary bootstrap").

    Their mean `length` is, by default, the cube root of the number of steps. A block that reaches the end of its
    stretch is followed by a new one.
    """
    pool = np.concatenate(stretches, 1)
    total = pool.shape[1]
    ends = np.zeros(total, bool)
    ends[np.cumsum([stretch.shape[1] for stretch in stretches]) - 1] = True
    length = length or max(total ** (1 / 3), 2.0)
    places = np.empty((count, steps), np.int64)
    places[:, 0] = rng.integers(total, size=count)
    for t in range(1, steps):
        fresh = (rng.random(count) < 1 / length) | ends[places[:, t - 1]]
        places[:, t] = np.where(fresh, rng.integers(total, size=count), places[:, t - 1] + 1)
    return pool[:, places].transpose(1, 0, 2)


def vector_autoregression(stretches: Sequence[Floats], count: int, steps: int, rng: np.random.Generator) -> Floats:
    """Draw from x_t = c + A x_t-1 + e by least squares, e normal; each window begins as some step of the data is."""
    intercept, matrix, covariance = fit_var(stretches)
    channels = len(intercept)
    root = np.linalg.cholesky(covariance + JITTER * np.diag(np.diag(covariance) + JITTER))
    sampled = np.empty((count, channels, steps))
    sampled[:, :, 0] = iid_bootstrap(stretches, count, 1, rng)[:, :, 0]
    for t in range(1, steps):
        noise = rng.standard_normal((count, channels)) @ root.T
        sampled[:, :, t] = intercept + sampled[:, :, t - 1] @ matrix.T + noise
    return sampled


def fit_var(stretches: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
    """Return intercept `[C]`, matrix `[C, C]` and residual covariance of a first-order vector autoregression."""
    before = np.concatenate([stretch[:, :-1] for stretch in stretches], 1).T
    after = np.concatenate([stretch[:, 1:] for stretch in stretches], 1).T
    design = np.concatenate([np.ones((len(before), 1)), before], 1)
    solution = np.linalg.lstsq(design, after, rcond=None)[0]
    residuals = after - design @ solution
    return solution[0], solution[1:].T, np.atleast_2d(np.cov(residuals.T, bias=True))


def garch(stretches: Sequence[Floats], count: int, steps: int, rng: np.random.Generator) -> Floats:
    """Draw from a GARCH(1,1) model with Student's t of each channel, with constant correlations (Bollerslev 1990)."""
    channels = len(stretches[0])
    fits = [fit_garch([stretch[k] for stretch in stretches]) for k in range(channels)]
    shocks = [np.concatenate([fit.shocks(stretch[k]) for stretch in stretches]) for k, fit in enumerate(fits)]
    return simulate_garch(fits, np.atleast_2d(np.corrcoef(np.stack(shocks))), count, steps, rng)

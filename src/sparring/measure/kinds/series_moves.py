"""What scores and simple generators of series look at: the moves of a window, as a generator learns them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparring.engine.data_spec import SeriesSpec
from sparring.engine.series_code import fit_code

Floats = NDArray[np.float64]
FITTED_ROWS = 2000
"""Training windows from which it is decided whether a channel moves like a random walk, where the spec does not say."""
TINY = 1e-30


def returns_of(spec: SeriesSpec, training: NDArray[np.floating]) -> tuple[bool, ...]:
    """Return which channels are looked at as log-returns: those of the spec's code, else of training rows."""
    if spec.codes:
        return tuple(code.returns for code in spec.codes)
    rows = training[:FITTED_ROWS]
    return tuple(fit_code(rows[:, k], "auto").returns for k in range(rows.shape[1]))


def to_moves(rows: NDArray[np.floating], returns: Sequence[bool]) -> Floats:
    """Return log-returns, or levels from the second step on, of windows `[N, C, T]`: `[N, C, T - 1]`."""
    x = rows.astype(np.float64)
    return np.stack(
        [np.diff(np.log(np.maximum(x[:, k], TINY)), axis=1) if r else x[:, k, 1:] for k, r in enumerate(returns)], 1
    )


def join_windows(rows: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """Return the long stretches `[C, L]` that windows `[N, C, T]` were cut from, where these overlap in their order.

    Windows that do not overlap are stretches of their own.
    """
    steps = rows.shape[2]
    hop = next((h for h in range(1, steps) if len(rows) > 1 and _follows(rows[:2], h)[0]), steps)
    joined = _follows(rows, hop) if hop < steps else np.zeros(len(rows) - 1, bool)
    parts = np.split(rows, np.flatnonzero(~joined) + 1)
    return [np.concatenate([part[0], *part[1:, :, steps - hop :]], 1) for part in parts]


def _follows(rows: NDArray[np.floating], hop: int) -> NDArray[np.bool_]:
    """Return whether each window but the first is the one before, `hop` steps later, bool `[N - 1]`."""
    same: NDArray[np.bool_] = (rows[1:, :, : rows.shape[2] - hop] == rows[:-1, :, hop:]).all((1, 2))
    return same


def from_moves(moves: Floats, starts: Floats, returns: Sequence[bool]) -> NDArray[np.float32]:
    """Return windows `[N, C, T]` that begin at `starts` `[N, C]` and go on by moves `[N, C, T - 1]`."""
    rows = np.empty((*moves.shape[:2], moves.shape[2] + 1))
    for k, r in enumerate(returns):
        rows[:, k, 0] = starts[:, k]
        rows[:, k, 1:] = starts[:, k, None] * np.exp(moves[:, k].cumsum(1)) if r else moves[:, k]
    return rows.astype(np.float32)

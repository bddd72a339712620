"""The invertible code of a series for generators: standardised levels or log-returns, with light tails.

A channel in log-returns is coded as the logarithm of its first value, a number of its own, and the log-returns of
all later steps. Heavy tails are lightened by the inverse of Lambert's W function (Goerg 2015, "The Lambert way to
Gaussianize heavy-tailed data with the inverse of Tukey's h transformation", Eq. 6 and 8): generators need not
learn them, and they come back on the way out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparring.engine.errors import SparringError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CODES = ("auto", "levels", "returns")
"""Codes that can be requested; auto: log-returns of positive channels that move like a random walk."""
MAX_AUTOCORRELATION = 0.3
"""Largest absolute autocorrelation of successive log-returns of what moves like a random walk."""
MIN_VARIANCE_RATIO = 0.3
"""Smallest variance of logarithms within a window of T steps, in units of a random walk's: T / 6 of its steps'."""
NORMAL_KURTOSIS = 3.0
MAX_TAIL = 1.0
"""Largest parameter of the tails: at 1/k the k-th moment becomes infinite."""
MAX_CODED = 6.0
"""Bound of coded values with heavy tails, in standard deviations, on the way out."""
MAX_LOG = 80.0
"""Bound of logarithms of decoded values, which float32 can still hold."""
NEWTON_STEPS = 8


@dataclass(frozen=True)
class ChannelCode:
    """Code of one channel; no statistic of it is the value of a single step."""

    returns: bool
    """True for log-returns, False for levels."""
    mean: float
    """Mean of levels or log-returns."""
    std: float
    """Scale of levels or log-returns, so that coded values have variance 1."""
    tail: float = 0.0
    """Parameter of heavy tails, delta of Goerg 2015; 0: none."""
    start_mean: float = 0.0
    """Mean of the logarithm of the first value of a window, of log-returns."""
    start_std: float = 1.0
    """Standard deviation of the same."""


def lambert_w(u: Tensor) -> Tensor:
    """Return W with W exp(W) = u for u >= 0, float64, by Newton's method."""
    u = u.double()
    w = u.log1p()
    for _ in range(NEWTON_STEPS):
        e = w.exp()
        w = w - (w * e - u) / (e * (w + 1))
    return w


def lighten(y: Tensor, tail: float) -> Tensor:
    """Return sign(y) sqrt(W(tail y^2) / tail), float64 (Goerg 2015, Eq. 8)."""
    y = y.double()
    return y if tail == 0 else y.sign() * (lambert_w(tail * y.square()) / tail).sqrt()


def weight_tails(z: Tensor, tail: float) -> Tensor:
    """Return z exp(tail z^2 / 2), float64: the inverse of `lighten` (Goerg 2015, Eq. 6)."""
    z = z.double()
    if tail == 0:
        return z
    z = z.clamp(-MAX_CODED, MAX_CODED)
    return z * (z.square() * (tail / 2)).exp()


def encode(codes: Sequence[ChannelCode], x: Tensor) -> Tensor:
    """Convert series `[B, C, T]` to coded values of the same shape, float32."""
    import torch

    return torch.stack([_encode(code, x[:, k].double()) for k, code in enumerate(codes)], 1).float()


def decode(codes: Sequence[ChannelCode], x: Tensor) -> Tensor:
    """Convert coded values `[B, C, T]`, of any length, to series of the same shape, float32."""
    import torch

    return torch.stack([_decode(code, x[:, k].double()) for k, code in enumerate(codes)], 1).float()


def _encode(code: ChannelCode, x: Tensor) -> Tensor:
    import torch

    if not code.returns:
        return lighten((x - code.mean) / code.std, code.tail)
    if (x <= 0).any():
        raise SparringError(
            "a channel that was read in log-returns holds values that are not positive: read it by --code levels"
        )
    log = x.log()
    moves = lighten((log.diff(dim=1) - code.mean) / code.std, code.tail)
    return torch.cat([(log[:, :1] - code.start_mean) / code.start_std, moves], 1)


def _decode(code: ChannelCode, x: Tensor) -> Tensor:
    import torch

    if not code.returns:
        return weight_tails(x, code.tail) * code.std + code.mean
    start = x[:, :1] * code.start_std + code.start_mean
    moves = weight_tails(x[:, 1:], code.tail) * code.std + code.mean
    return torch.cat([start, start + moves.cumsum(1)], 1).clamp(-MAX_LOG, MAX_LOG).exp()


def fit_code(x: NDArray[Any], requested: str) -> ChannelCode:
    """Return the code of one channel from training windows `[N, T]`; `requested` is one of CODES.

    Raises SparringError where log-returns are requested of values that are not positive.
    """
    x = x.astype(np.float64)
    positive = bool((x > 0).all()) and x.shape[1] > 1
    if requested == "returns" and not positive:
        raise SparringError("--code returns needs values above 0 in every channel: take --code auto or levels")
    if requested == "returns" or (requested == "auto" and positive and moves_randomly(np.log(x))):
        log = np.log(x)
        mean, std, tail = _fit_tail(np.diff(log, axis=1))
        start = log[:, 0]
        return ChannelCode(True, mean, std, tail, float(start.mean()), float(start.std()) or 1.0)
    return ChannelCode(False, *_fit_tail(x))


def moves_randomly(log: NDArray[np.float64]) -> bool:
    """Return whether windows `[N, T]` move like a random walk: far, by steps that are hardly correlated."""
    steps = np.diff(log, axis=1)
    steps = steps - steps.mean()
    power = (steps**2).mean()
    if steps.shape[1] < 2 or power == 0:
        return False
    correlation = (steps[:, 1:] * steps[:, :-1]).mean() / power
    return bool(
        abs(correlation) < MAX_AUTOCORRELATION and log.var(1).mean() > MIN_VARIANCE_RATIO * log.shape[1] / 6 * power
    )


def _fit_tail(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return mean, scale and tail with which the coded values have variance 1 and kurtosis 3, or less without tails.

    Goerg 2015, section 4.2: the tail is searched by bisection, scale and tail in turn.
    """
    import torch

    y = torch.from_numpy(np.ascontiguousarray(values).ravel())
    mean, std = float(y.mean()), float(y.std(correction=0))
    if std == 0:
        return mean, 1.0, 0.0
    y = (y - mean) / std
    if _kurtosis(y) <= NORMAL_KURTOSIS:
        return mean, std, 0.0
    scale, tail = 1.0, 0.0
    for _ in range(12):
        tail = _search_tail(y / scale)
        scale *= float(lighten(y / scale, tail).std(correction=0))
    return mean, std * scale, tail


def _search_tail(y: torch.Tensor) -> float:
    low, high = 0.0, MAX_TAIL
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _kurtosis(lighten(y, middle)) > NORMAL_KURTOSIS else (low, middle)
    return (low + high) / 2


def _kurtosis(z: Tensor) -> float:
    centred = z - z.mean()
    return float(centred.pow(4).mean() / centred.square().mean().square())

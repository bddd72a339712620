"""Bars of a random walk that the tests of trading share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def random_bars(count: int, seed: int = 0, sigma: float = 0.01) -> NDArray[np.float64]:
    """Return open, high, low, close and volume, `[count, 5]`, in whole ticks of 0.01 and lots of 100."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(sigma * rng.standard_normal(count)))
    opened = np.concatenate([[100.0], close[:-1]])
    spread = 1 + sigma * rng.random((2, count))
    bars = np.stack([opened, np.maximum(opened, close) * spread[0], np.minimum(opened, close) / spread[1], close], 1)
    volume = 100 * np.round(1e4 * np.exp(0.3 * rng.standard_normal(count)))
    return np.concatenate([np.round(bars, 2), volume[:, None]], 1)


def random_windows(count: int, length: int = 64, seed: int = 0) -> Tensor:
    """Return consecutive windows of such bars, `[count, 5, length]`."""
    return torch.from_numpy(random_bars(count + length - 1, seed)).unfold(0, length, 1).contiguous()


def write_prices(path: Path, bars: NDArray[np.float64], header: str = "date,open,high,low,close,volume") -> Path:
    """Write bars as csv, one a day."""
    days = np.datetime64("2020-01-01") + np.arange(len(bars))
    lines = [f"{day},{','.join(f'{value:.10g}' for value in bar)}" for day, bar in zip(days, bars, strict=True)]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path

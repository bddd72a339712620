"""The two scores of TimeGAN (Yoon et al. 2019, section 5): a recurrent judge tells samples from data, or forecasts.

A judge's score moves more with its settings and seed than between papers: compare only scores of this file, and beside
those of real data. Values are scaled by the range of the real windows that are passed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

Floats = NDArray[np.float64]
DISCRIMINATIVE_ROUNDS, PREDICTIVE_ROUNDS = 2000, 5000
"""Rounds of training, as published."""
BATCH = 128
TRAIN_FRACTION = 0.8
LR = 1e-3


class Judge(nn.Module):
    """A recurrent network (GRU) with one output a step; as many hidden units as half the channels, 4 at least."""

    def __init__(self, channels: int, inputs: int) -> None:
        super().__init__()
        hidden = max(channels // 2, 4)
        self.gru = nn.GRU(inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, T, inputs]` to `[B, T]`."""
        output: Tensor = self.head(self.gru(x)[0]).squeeze(2)
        return output


def discriminative_score(
    samples: Floats, real: Floats, seed: int = 0, rounds: int = DISCRIMINATIVE_ROUNDS, lr: float = LR
) -> float:
    """Return |accuracy - 1/2| of a judge on a fifth of both sides, `[N, C, T]`; 0 is best, 1/2 worst."""
    fake, true = _scaled(samples, real), _scaled(real, real)
    rng = np.random.default_rng([seed, 41])
    (fake, fake_test), (true, true_test) = (_split(x, rng) for x in (fake, true))
    judge = _fresh(real.shape[1], real.shape[1], seed)

    def loss() -> Tensor:
        a, b = (judge(x[_idx(len(x), rng)])[:, -1] for x in (fake, true))
        return binary_cross_entropy_with_logits(a, torch.zeros_like(a)) + binary_cross_entropy_with_logits(
            b, torch.ones_like(b)
        )

    _fit(judge, loss, rounds, lr)
    with torch.no_grad():
        accuracy = ((judge(fake_test)[:, -1] < 0).double().mean() + (judge(true_test)[:, -1] > 0).double().mean()) / 2
    return abs(float(accuracy) - 0.5)


def predictive_score(
    training: Floats, real: Floats, seed: int = 0, rounds: int = PREDICTIVE_ROUNDS, lr: float = LR
) -> float:
    """Return the mean absolute error of forecasts one step ahead on `real`, by a judge fitted on `training`.

    It forecasts the last channel from the others and, unlike the published one, from its own past where there are no
    others. Both are `[N, C, T]`.
    """
    train, test = _scaled(training, real), _scaled(real, real)
    channels = real.shape[1]
    inputs = slice(0, max(channels - 1, 1))
    rng = np.random.default_rng([seed, 42])
    judge = _fresh(channels, max(channels - 1, 1), seed)

    def error(x: Tensor) -> Tensor:
        return l1_loss(judge(x[:, :-1, inputs]).sigmoid(), x[:, 1:, -1])

    _fit(judge, lambda: error(train[_idx(len(train), rng)]), rounds, lr)
    with torch.no_grad():
        return float(error(test))


def _scaled(x: Floats, real: Floats) -> Tensor:
    """Return windows `[N, T, C]`, float32, on the scale on which `real` is in [0, 1]."""
    low, high = (edge(real, axis=(0, 2))[:, None] for edge in (np.min, np.max))
    return torch.from_numpy(((x - low) / (high - low + 1e-7)).transpose(0, 2, 1)).float()


def _split(x: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    order, count = torch.from_numpy(rng.permutation(len(x))), int(TRAIN_FRACTION * len(x))
    return x[order[:count]], x[order[count:]]


def _idx(count: int, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.integers(count, size=BATCH))


def _fresh(channels: int, inputs: int, seed: int) -> Judge:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Judge(channels, inputs)


def _fit(judge: nn.Module, loss: Callable[[], Tensor], rounds: int, lr: float) -> None:
    optimizer = torch.optim.Adam(judge.parameters(), lr)
    for _ in range(rounds):
        optimizer.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

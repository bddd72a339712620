"""Audit a step of DP-SGD: whether one row changes its release as little as its noise multiplier guarantees.

The real step runs thousands of times on data D and on D with one more row, whose gradient is as long as the clip. Along
this gradient the releases are normal, apart by 1 / noise multiplier deviations where the step is right. The distance is
measured from the error rates of a test with a fixed threshold, mu = z(1 - FPR) - z(FNR) (Dong, Roth and Su 2022), with
exact limits (Nasr et al. 2023, arXiv:2302.07956). A larger mu breaks the guarantee; a smaller one shows other noise
than the accountant counts with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import SGD

from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.game import Batch
from sparring.engine.loop import BatchSource, System, play
from sparring.games.private_sgd import PrivateSGD, add_noise
from sparring.privacy.accountant import gaussian_epsilon
from sparring.privacy.secret import SecretNoise
from sparring.stats.intervals import Interval, clopper_pearson_interval

CPU = Hardware(torch.device("cpu"), bf16=False)


@dataclass(frozen=True)
class StepAudit:
    """Distance of the releases with and without one row."""

    mu: Interval
    """Measured distance in deviations, with exact limits."""
    expected: float
    """Theoretical distance, the inverse of the noise multiplier."""
    trials: int
    """Steps on each of the two data sets."""

    @property
    def breaks_guarantee(self) -> bool:
        """Return whether the measured distance is above the theoretical one."""
        return self.mu.low > self.expected

    @property
    def passes(self) -> bool:
        """Return whether the limits contain the theoretical distance: neither less noise nor more."""
        return self.mu.low <= self.expected <= self.mu.high

    def epsilon(self, delta: float) -> float:
        """Return a lower bound of the epsilon of one step, with 95 % confidence or more."""
        return gaussian_epsilon(1 / self.mu.low, delta) if self.mu.low > 0 else 0.0

    @property
    def message(self) -> str:
        """Return the figures in a sentence."""
        verdict = "as in theory" if self.passes else "MORE than in theory" if self.breaks_guarantee else "other noise"
        return (
            f"one row shows by {self.mu.text(3, 1)} deviations in {self.trials:,} steps each; "
            f"theoretical {self.expected:.3f}: {verdict}"
        )


def step_audit(without: NDArray[np.float64], with_row: NDArray[np.float64], noise_multiplier: float) -> StepAudit:
    """Return the audit of releases `[N]` without and with the row, projected on its gradient and divided by the clip.

    They are relative to the noiseless release without the row: their means should be 0 and 1.
    """
    normal = NormalDist()
    false, missed = int((without > 0.5).sum()), int((with_row <= 0.5).sum())
    rates = [clopper_pearson_interval(*pair) for pair in ((false, len(without)), (missed, len(with_row)))]

    def distance(rates: list[float]) -> float:
        return sum(-normal.inv_cdf(min(max(rate, 1e-12), 1 - 1e-12)) for rate in rates)

    value = distance([(false + 0.5) / (len(without) + 1), (missed + 0.5) / (len(with_row) + 1)])
    mu = Interval(value, distance([rate[1] for rate in rates]), distance([rate[0] for rate in rates]))
    return StepAudit(mu, 1 / noise_multiplier if noise_multiplier else math.inf, len(without))


class FixedRows:
    """The same rows in each step (sampling rate 1), in `parts` micro-batches (`engine.loop.BatchSource`)."""

    def __init__(self, x: Tensor, y: Tensor, expected: int, parts: int = 1) -> None:
        self.x, self.y, self.batch_size, self._parts = x, y, expected, parts

    def batches(self, nimg: int, turn: int) -> list[Batch]:
        """Return all rows."""
        pieces = zip(self.x.tensor_split(self._parts), self.y.tensor_split(self._parts), strict=True)
        return [Batch(x, y, nimg // self.batch_size) for x, y in pieces]


def releases(game: PrivateSGD, source: BatchSource, noise_multiplier: float, steps: int, secret: SecretNoise) -> Tensor:
    """Return the noisy gradients of `steps` real steps of the loop from the same weights, `[steps, P]`."""
    parameters = [p for p in game.learner.parameters() if p.requires_grad]
    optimizer = SGD(parameters, lr=0.0)
    add_noise(optimizer, game, noise_multiplier, source.batch_size, secret)
    rows: list[Tensor] = []

    def record(*_: object) -> None:
        rows.append(torch.cat([p.grad.flatten().clone() for p in parameters if p.grad is not None]))

    optimizer.register_step_post_hook(record)
    (name,) = game.turns
    ema = EMA(game.players[name], lambda at: 1.0)
    system = System(game, {name: optimizer}, ema)
    play(system, source, total=steps * source.batch_size, hardware=CPU)
    return torch.stack(rows)


def audit_step(
    game: PrivateSGD,
    rows: tuple[Tensor, Tensor],
    worst: tuple[Tensor, Tensor],
    noise_multiplier: float,
    *,
    trials: int,
    parts: int = 1,
    key: bytes = b"audit",
) -> StepAudit:
    """Run the real step on `rows` (inputs, labels), which may be none, and with the row `worst`; return the audit.

    Raises ValueError where the gradient of `worst` is shorter than the clip: the audit would show less than there is.
    """
    expected = 8
    both = tuple(torch.cat([side, row]) for side, row in zip(rows, worst, strict=True))
    silent = SecretNoise(key)
    bases = [clipped_gradient_sum(game, x, y) for x, y in (rows, both)]
    change = bases[1] - bases[0]
    if float(change.norm()) < 0.99 * game.clip:
        raise ValueError(f"the row's gradient has the norm {float(change.norm()):.3g}, below the clip {game.clip:g}")
    direction = change / change.norm()
    scores = []
    for k, (x, y) in enumerate((rows, both)):
        source = FixedRows(x, y, expected, parts)
        released = releases(game, source, noise_multiplier, trials, SecretNoise(silent.key + bytes([k])))
        scores.append(((released * expected - bases[0]) @ direction / game.clip).double().numpy())
    return step_audit(scores[0], scores[1], noise_multiplier)


def clipped_gradient_sum(game: PrivateSGD, x: Tensor, y: Tensor) -> Tensor:
    """Return the gradient of the game's loss without noise, `[P]`."""
    parameters = [p for p in game.learner.parameters() if p.requires_grad]
    (name,) = game.turns
    loss, _ = game.loss(name, Batch(x, y), 0.0)
    game.parts = 0
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])

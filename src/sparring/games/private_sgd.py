"""DP-SGD as a game of one player, and the noise of its optimiser (Abadi et al. 2016, arXiv:1607.00133, Algorithm 1).

The game's loss has the gradient sum_i clip(g_i) of a micro-batch. `add_noise` adds the noise once for each step, after
all micro-batches, and divides by the expected number of rows: the actual one is private. A step whose sample is empty
is a step with noise alone. What the optimiser makes of the noisy gradient (momentum, Adam) costs no privacy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.engine.game import Batch, Stats
from sparring.privacy.clipping import RowLoss, clipped_sum
from sparring.privacy.secret import SecretNoise


class PrivateSGD:
    """A game in which `learner`, a part of `net` or all of it, learns from clipped gradients (`engine.game.Game`).

    Batches hold the inputs of `learner`. The game logs nothing: a loss on private rows is private.
    """

    def __init__(
        self, net: nn.Module, learner: nn.Module, loss: RowLoss, clip: float, *, ghost: bool, name: str = "classifier"
    ) -> None:
        self.players: Mapping[str, nn.Module] = {name: net}
        self.turns: Sequence[str] = (name,)
        self.learner, self.row_loss, self.clip, self.ghost = learner, loss, clip, ghost
        self.step = 0
        """Number of the step that the last loss was for."""
        self.parts = 0
        """Micro-batches since the last step of the optimiser."""

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return a scalar with the gradient of the clipped sum, and no statistics."""
        self.step, self.parts = batch.step, self.parts + 1
        return clipped_sum(self.learner, self.row_loss, batch.x, batch.y, self.clip, ghost=self.ghost), {}


def add_noise(
    optimizer: Optimizer, game: PrivateSGD, noise_multiplier: float, expected_rows: int, secret: SecretNoise
) -> None:
    """Let each step of `optimizer` see (sum of clipped gradients + noise) / expected number of rows.

    The noise has the standard deviation noise_multiplier * clip, and follows from the secret key and the step alone.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    deviation = noise_multiplier * game.clip

    def make_private() -> None:
        parts, game.parts = game.parts, 0
        size = sum(p.numel() for p in parameters)
        noise = torch.from_numpy(secret.normal((size,), "gradient", game.step)).float()
        for p, part in zip(parameters, torch.split(noise, [p.numel() for p in parameters]), strict=True):
            total = p.grad * parts if p.grad is not None else torch.zeros_like(p)  # the loop averages micro-batches
            p.grad = (total + deviation * part.view_as(p).to(p.device)) / expected_rows

    def before_step(_: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        *first, gradients = args  # the loop passes what computes loss and gradients

        def noisy_gradients() -> Any:
            result = gradients()
            with torch.no_grad():
                make_private()
            return result

        return (*first, noisy_gradients), kwargs

    optimizer.register_step_pre_hook(before_step)

"""Restart of an adversarial training that has learnt nothing: some networks do not leave chance at the full eps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.attacks.validation import frozen
from sparring.engine.errors import UsageError
from sparring.engine.game import Schedule
from sparring.engine.loop import System
from sparring.stats.proportion import Proportion, beats_constant_answer

RESTARTED_RAMP = 0.2
"""Shortest ramp of eps after a restart, as a fraction of the run, before it is doubled."""
PATIENCE = 0.1
"""Fraction of the run that a training gets before its first restart; it doubles with each."""
MAX_RAMP = 0.6
"""Longest ramp of eps after a restart, as a fraction of what is left of the run."""


class RestartGuard(nn.Module):
    """A player without turns that restarts a training whose classifier is no better than a constant answer.

    A restart brings back the initial weights, doubles the ramp of eps and halves the learning rate.
    """

    restarts: Tensor
    """Number of restarts."""
    start: Tensor
    """Fraction of the run at the last restart."""
    x: Tensor
    y: Tensor

    def __init__(self, net: nn.Module, ramp: float = 0.0) -> None:
        """Build the guard of a fresh `net`; `ramp` is the fraction of the run over which eps grows."""
        super().__init__()
        self._initial = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        self._ramp = ramp
        self.register_buffer("restarts", torch.zeros((), dtype=torch.int64))
        self.register_buffer("start", torch.zeros((), dtype=torch.float64))

    def set_images(self, x: Tensor, y: Tensor) -> None:
        """Set the images `[N, ...]` and labels `[N]` to classify. They belong to the data and are not saved."""
        self.register_buffer("x", x, persistent=False)
        self.register_buffer("y", y, persistent=False)

    def check(self, system: System, at: float) -> tuple[Proportion, bool]:
        """Return the accuracy without an attack, and whether the training was restarted at fraction `at` of the run.

        No restart comes before `PATIENCE` is over, or in the second half of the run.
        """
        if not hasattr(self, "x"):
            raise UsageError("the guard has no images: give it training images by guard.set_images(x, y)")
        net = system.game.players["classifier"]
        with torch.no_grad(), frozen(net):
            accuracy = Proportion.count(int((net(self.x).argmax(1) == self.y).sum()), len(self.y))
        due = float(self.start) + PATIENCE * 2 ** int(self.restarts)
        if not due - 1e-9 <= at <= 0.5 or beats_constant_answer(accuracy, self.y):
            return accuracy, False
        net.load_state_dict(self._initial)
        system.ema.reset()
        system.optimizers["classifier"].state.clear()
        self.restarts += 1
        self.start.fill_(at)
        return accuracy, True

    def eps_factor(self, at: float) -> float:
        """Return the factor of eps: it grows linearly from 0 over the ramp that begins at the last restart."""
        restarts, start = int(self.restarts), float(self.start)
        ramp = self._ramp
        if restarts:
            ramp = min(max(ramp, RESTARTED_RAMP) * 2**restarts, MAX_RAMP * (1 - start))
        return min((at - start) / ramp, 1.0) if ramp else 1.0

    def gentler(self, lr: Schedule) -> Schedule:
        """Return the learning rate, halved at each restart."""
        return lambda at: lr(at) / 2 ** int(self.restarts)

"""Against catastrophic overfitting: a classifier may lose all its robustness within an epoch (Wong et al. 2020, section 5.2).

Its training adversaries then say nothing of it, for it has learnt to be right on those alone.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from sparring.attacks.pgd import pgd
from sparring.attacks.threat_model import Threat
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System
from sparring.games.adversarial_training import Ascent, InnerAttack


class OverfittingGuard(nn.Module):
    """The best weights so far, by accuracy under PGD on some held training images; a player without a turn.

    Where the accuracy has fallen by more than `fall` from the best, the classifier gets those weights back.
    """

    best: Tensor
    """Of the held images, how many stood at best."""
    rollbacks: Tensor
    x: Tensor
    y: Tensor

    def __init__(self, net: nn.Module, threat: Threat, *, fall: float = 0.2, steps: int = 10) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).requires_grad_(False)
        self.threat, self.fall, self.steps = threat, fall, steps
        self.register_buffer("best", torch.zeros((), dtype=torch.int64))
        self.register_buffer("rollbacks", torch.zeros((), dtype=torch.int64))

    def hold(self, x: Tensor, y: Tensor) -> None:
        """The images `[N, ...]` and labels `[N]` to look at; they come with the data, and are not saved."""
        self.register_buffer("x", x, persistent=False)
        self.register_buffer("y", y, persistent=False)

    def look(self, system: System) -> tuple[float, bool]:
        """The classifier's robust accuracy, from 0 to 1, and whether it was rolled back: weights, average and optimizer.

        The optimizer begins anew then: its moments led where nobody wants to go.
        """
        if not hasattr(self, "x"):
            raise UsageError("a guard needs images to look at: give it some training images, guard.hold(x, y)")
        net = system.game.players["classifier"]
        right = int((~pgd(net, self.x, self.y, self.threat, steps=self.steps).success).sum())
        now = right / len(self.y)
        if right >= int(self.best):
            self.best.fill_(right)
            self.net.load_state_dict(net.state_dict())
        if now >= self.highest - self.fall:
            return now, False
        net.load_state_dict(self.net.state_dict())
        system.ema.reset()
        system.optimizers["classifier"].state.clear()
        self.rollbacks += 1
        return now, True

    @property
    def highest(self) -> float:
        """The best robust accuracy so far."""
        return int(self.best) / len(self.y)

    def warned(self, attack: Ascent) -> InnerAttack:
        """The attack, with one step more for each rollback: what went wrong once would do so again."""

        def warned(net: nn.Module, x: Tensor, y: Tensor, threat: Threat, batch: Batch) -> Tensor:
            return attack.slower(int(self.rollbacks))(net, x, y, threat, batch)

        return warned

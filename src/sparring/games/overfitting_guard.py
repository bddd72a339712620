"""Rollback on catastrophic overfitting of adversarial training (Wong et al. 2020, section 5.2).

A classifier can lose all its robustness within an epoch. Its training adversaries do not show it, since it has learned
to be correct on those alone.
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
    """A player without turns that keeps the best weights by accuracy under PGD on some training images.

    If that accuracy is more than `max_drop` below its best, the classifier gets the best weights back.
    """

    best: Tensor
    """Largest number of images that were classified correctly under PGD."""
    rollbacks: Tensor
    """Number of rollbacks."""
    x: Tensor
    y: Tensor

    def __init__(self, net: nn.Module, threat: Threat, *, max_drop: float = 0.2, steps: int = 10) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).requires_grad_(False)
        self.threat, self.max_drop, self.steps = threat, max_drop, steps
        self.register_buffer("best", torch.zeros((), dtype=torch.int64))
        self.register_buffer("rollbacks", torch.zeros((), dtype=torch.int64))

    def set_images(self, x: Tensor, y: Tensor) -> None:
        """Set the images `[N, ...]` and labels `[N]` to attack. They belong to the data and are not saved."""
        self.register_buffer("x", x, persistent=False)
        self.register_buffer("y", y, persistent=False)

    def check(self, system: System) -> tuple[float, bool]:
        """Return the classifier's accuracy under PGD, in [0, 1], and whether it was rolled back.

        A rollback restores weights and average and resets the optimizer, whose moments belong to the lost weights.
        """
        if not hasattr(self, "x"):
            raise UsageError("the guard has no images to attack: give it training images by guard.set_images(x, y)")
        net = system.game.players["classifier"]
        correct = int((~pgd(net, self.x, self.y, self.threat, steps=self.steps).success).sum())
        accuracy = correct / len(self.y)
        if correct >= int(self.best):
            self.best.fill_(correct)
            self.net.load_state_dict(net.state_dict())
        if accuracy >= self.best_accuracy - self.max_drop:
            return accuracy, False
        net.load_state_dict(self.net.state_dict())
        system.ema.reset()
        system.optimizers["classifier"].state.clear()
        self.rollbacks += 1
        return accuracy, True

    @property
    def best_accuracy(self) -> float:
        """The best accuracy under PGD so far, in [0, 1]."""
        return int(self.best) / len(self.y)

    def strengthen(self, attack: Ascent) -> InnerAttack:
        """Return the attack with one more step per rollback, since the same attack would fail again."""

        def strengthened(net: nn.Module, x: Tensor, y: Tensor, threat: Threat, batch: Batch) -> Tensor:
            return attack.with_extra_steps(int(self.rollbacks))(net, x, y, threat, batch)

        return strengthened

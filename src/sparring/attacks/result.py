"""The result of an attack, and the protocol of attack functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model


@dataclass(frozen=True, eq=False)
class Result:
    """Result of one attack on B rows."""

    adv: Tensor
    """Adversarial examples, `[B, ...]`, always within the threat model; where the attack failed, its best point."""
    success: Tensor
    """True where `adv` is misclassified (or is the target class), verified by a last forward pass; bool `[B]`."""
    iterations: Tensor
    """Steps until success, or all of them, int64 `[B]`; 0: misclassified without an attack."""
    queries: Tensor
    """Forward passes, int64 `[B]`, including the one on the data and the last one."""
    gradients: Tensor
    """Backward passes, int64 `[B]`."""
    loss: Tensor
    """Margin at `adv`, `[B]`: above 0 where the attack succeeded (`losses.margin`)."""
    distance: Tensor
    """Distance of the nearest adversarial example from the data, by the norm, `[B]`; inf where none was found.

    Minimum-norm attacks report it beyond eps too, where `success` is False.
    """

    @property
    def success_rate(self) -> float:
        """Fraction of rows with `success`."""
        return float(self.success.double().mean())


class AttackFunction(Protocol):
    """An attack: (model, x, y, threat, *, seed) -> Result."""

    def __call__(self, model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int) -> Result:
        """Search for adversarial examples of x `[B, ...]` with labels y `[B]`."""

"""What an attack found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model


@dataclass(frozen=True, eq=False)
class Result:
    """One attack on B rows."""

    adv: Tensor
    """The examples, `[B, ...]`, always within the threat model: where it failed, the most promising point it saw."""
    success: Tensor
    """True where `adv` is really misclassified (or is the target), by a last forward pass of its own; bool `[B]`."""
    iterations: Tensor
    """Steps until it broke, or all of them, int64 `[B]`; 0: it was wrong from the start."""
    queries: Tensor
    """Forward passes, int64 `[B]`, the last one and the one on the data included."""
    gradients: Tensor
    """Backward passes, int64 `[B]`."""
    loss: Tensor
    """The margin at `adv`, `[B]`: above 0 where it succeeded, and how little was missing where not (`losses.margin`)."""
    distance: Tensor
    """How far the data are from the nearest example that was found, by the norm, `[B]`; inf where none was.

    Attacks that look for the nearest one tell it beyond eps too, where `success` is False.
    """

    @property
    def success_rate(self) -> float:
        """The share of rows that broke."""
        return float(self.success.double().mean())


class AttackFunction(Protocol):
    """(model, x, y, threat, *, seed) -> Result."""

    def __call__(self, model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int) -> Result:
        """Look for examples of the rows of x."""

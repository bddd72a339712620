"""What an attack found."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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

    @property
    def success_rate(self) -> float:
        """The share of rows that broke."""
        return float(self.success.double().mean())

"""The loss of quantiles."""

from __future__ import annotations

from torch import Tensor


def pinball_losses(quantiles: Tensor, y: Tensor, levels: Tensor) -> Tensor:
    """Return the pinball loss of each row `[B]`, the mean over numbers and levels (Koenker and Bassett 1978, Eq. 3.1).

    `quantiles` `[B, K, Q]` are those of the `levels` `[Q]` of numbers `y` `[B, K]`. Its mean is smallest at the true
    quantiles.
    """
    above = y[..., None] - quantiles
    losses: Tensor = (above * (levels - (above < 0).to(above.dtype))).flatten(1).mean(1)
    return losses

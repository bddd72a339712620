"""The game of a flow and a discriminator: likelihood and a GAN on one generator (Grover et al. 2018, Flow-GAN)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch, Schedule, Stats
from sparring.games.gan import GAN
from sparring.games.likelihood import dequantised_loss, observed


class FlowGAN:
    """The game `gan`, whose generator is a flow that also minimises `weight` * -log p(x) in bits per dimension (Eq. 5).

    `game_weight` is the weight of the generator's loss in `gan` over the run. Where it is 0 the discriminator takes no
    step. Real images and samples are grey values alike, so that dequantisation noise does not give the real ones away.
    """

    def __init__(
        self, gan: GAN, *, weight: float, game_weight: Schedule, binary: bool = False, conditional: bool = False
    ) -> None:
        self.players: Mapping[str, nn.Module] = gan.players
        self.turns = gan.turns
        self.weight, self.game_weight, self.binary = weight, game_weight, binary
        self._gan, self._likelihood = gan, dequantised_loss(binary=False, conditional=conditional)

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return a player's loss. The generator's statistics are `bits`, per dimension, and `adversarial`."""
        game_weight = self.game_weight(at)
        batch = _with_values(batch, observed(batch, binary=self.binary))
        if player != "generator":
            return self._discriminator_loss(player, batch, at, game_weight > 0)
        terms: dict[str, Tensor] = {}
        if game_weight:
            terms["adversarial"] = self._gan.loss(player, batch, at)[0]
        if self.weight:
            nats = self._likelihood(self.players["generator"], batch)
            assert isinstance(nats, Tensor)
            terms["bits"] = nats / math.log(2)
        weights = {"adversarial": game_weight, "bits": self.weight}
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum(), terms

    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the discriminator's logits `[B]` of images `[B, C, H, W]`, in eval mode."""
        return self._gan.logits(x, y)

    def _discriminator_loss(self, player: str, batch: Batch, at: float, plays: bool) -> tuple[Tensor, Stats]:
        """Return the loss in the game, or 0 without gradients: Adam then counts no step (`games/lapgan.py`)."""
        self.players[player].requires_grad_(plays)
        if plays:
            return self._gan.loss(player, batch, at)
        return torch.zeros((), device=batch.x.device, requires_grad=True), {}


def _with_values(batch: Batch, x: Tensor) -> Batch:
    """Return the batch with other values; its further noise differs from that drawn so far."""
    changed = replace(batch, x=x)
    changed._draws.extend(batch._draws)
    return changed

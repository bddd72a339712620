"""FlowGAN: a flow that is the generator of a GAN (Grover, Dhar and Ermon 2018, arXiv:1705.08868).

Differences to the paper:

- The flow is that of the recipe `flow`; the game is that of `r3`: relativistic pairs with R1 and R2 (Huang et al. 2024)
  in place of WGAN-GP with five turns of the critic.
- The negative log-likelihood is in bits per dimension, so that one weight serves all sizes.
- A run starts by likelihood alone, and the game comes in over a fifth of it.
- The discriminator compares grey values. The gradient passes the rounding of samples straight through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn
from torch.optim import Adam

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.engine.schedules import constant, cosine, ramp
from sparring.games.flowgan import FlowGAN
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import r1, r2
from sparring.nets.strided_gan import Discriminator
from sparring.recipes.density.flow import FlowRecipe
from sparring.recipes.recipe import check_fraction, check_positive, check_range, ema_of

MAX_CHANNELS = 512
"""Largest number of channels of the discriminator."""
RAMP = 0.2
"""Fraction of the run over which the weight of the game rises from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class FlowGANRecipe(FlowRecipe):
    """FlowGAN: a flow trained by likelihood and by a discriminator."""

    name: ClassVar[str] = "flowgan"
    paper: ClassVar[str] = "Grover et al. 2018, arXiv:1705.08868"
    kinds: ClassVar[tuple[str, ...]] = ("image",)

    likelihood: float = 1.0
    """Weight of the negative log-likelihood in bits per dimension; 0: the game alone."""
    likelihood_alone: float = 0.3
    """Fraction of the run by likelihood alone, unless its weight is 0."""
    width: int = 64
    """Channels of the discriminator at the finest level, doubled at each coarser one."""
    discriminator_lr: float = 1e-3
    """Adam's initial learning rate of the discriminator; it falls to a tenth along a cosine."""
    gamma: float = 0.3
    """Weight of R1 and R2."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "width", "discriminator_lr")
        check_range(self, 0, float("inf"), "likelihood", "gamma")
        check_fraction(self, "likelihood_alone")

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the flow and a discriminator of strided convolutions."""
        discriminator = Discriminator(spec.shape, self.width, MAX_CHANNELS, self.classes(spec))
        return {**super().nets(spec), "discriminator": discriminator}

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of Eq. 5."""
        conditional = self.classes(spec) > 0
        gan = GAN(
            nets["generator"],
            nets["discriminator"],
            OBJECTIVES["relativistic"],
            latent_dim=spec.channels * spec.height * spec.width,
            penalties=[r1(self.gamma), r2(self.gamma)],
            conditional=conditional,
        )
        game_weight = ramp(self.likelihood_alone, RAMP) if self.likelihood else constant(1.0)
        game = FlowGAN(
            gan, weight=self.likelihood, game_weight=game_weight, binary=self.binary, conditional=conditional
        )
        optimizers = {
            "generator": Adam(nets["generator"].parameters(), self.lr, (0.5, 0.99), fused=True),
            "discriminator": Adam(nets["discriminator"].parameters(), self.discriminator_lr, (0.0, 0.99), fused=True),
        }
        schedules = {
            "generator": {"lr": cosine(self.lr, self.lr / 100)},
            "discriminator": {"lr": cosine(self.discriminator_lr, self.discriminator_lr / 10)},
        }
        ema = ema_of(nets["generator"], total, half_life=self.ema_half_life, ramp=self.ema_half_life)
        return System(game, optimizers, ema, schedules)

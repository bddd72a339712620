"""Strokes: a renderer as the generator, moved by evolution against an ordinary discriminator.

The generator has no gradient: it draws with Pillow (`nets/strokes.py`). Its optimizer estimates one from losses
(Salimans et al. 2017). The idea of a painter against a discriminator is that of SPIRAL (Ganin et al. 2018,
arXiv:1804.01118), which trains by reinforcement learning. The discriminator has R1 (Mescheder et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.evolution import EvolutionStrategy
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import r1
from sparring.nets.strided_gan import Discriminator
from sparring.nets.strokes import StrokeGenerator
from sparring.recipes.generators.base import ImageGenerator
from sparring.recipes.recipe import adams, check_positive, ema_of, tunable


@dataclass(frozen=True, kw_only=True)
class Strokes(ImageGenerator):
    """Strokes: pictures drawn by Pillow, learnt by evolution."""

    name: ClassVar[str] = "strokes"
    paper: ClassVar[str] = "Salimans et al. 2017, arXiv:1703.03864"
    labels: ClassVar[bool] = True

    latent_dim: int = 8
    """Dimension of the generator's noise."""
    hidden: int = 32
    """Hidden units of the perceptron that places the strokes."""
    strokes: int = 4
    """Strokes in a picture, at most."""
    width: int = 32
    """Discriminator channels at the finest level."""
    batch_size: int = 64
    """Images per round, over all processes."""
    lr: float = tunable(0.02, 2e-3, 0.2, log=True)
    """Initial learning rate of the generator's evolution."""
    discriminator_lr: float = tunable(1e-3, 1e-4, 1e-2, log=True)
    """Adam's learning rate of the discriminator."""
    sigma: float = tunable(0.05, 5e-3, 0.5, log=True)
    """Initial standard deviation of the perturbations of the generator's weights."""
    pairs: int = 16
    """Antithetic pairs of perturbations per round: the generator's loss is evaluated twice as often, and once more."""
    gamma: float = tunable(0.1, 1e-3, 10.0, log=True)
    """Weight of R1."""

    def __post_init__(self) -> None:
        check_positive(
            self, "latent_dim", "hidden", "strokes", "width", "batch_size", "accumulation_steps", "lr",
            "discriminator_lr", "sigma", "pairs", "gamma", "ema_half_life",
        )  # fmt: skip

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the renderer and a discriminator of strided convolutions."""
        return {
            "generator": StrokeGenerator(spec.shape, self.latent_dim, self.hidden, self.strokes),
            "discriminator": Discriminator(spec.shape, self.width, 512),
        }

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the non-saturating game with R1. The perturbations are those of the seed that drew the networks."""
        generator = nets["generator"]
        game = GAN(
            generator,
            nets["discriminator"],
            OBJECTIVES["nonsaturating"],
            latent_dim=self.latent_dim,
            penalties=[r1(self.gamma)],
        )
        evolution = EvolutionStrategy(
            generator.parameters(), self.lr, (0.5, 0.99), sigma=self.sigma, pairs=self.pairs, seed=torch.initial_seed()
        )
        adam = adams({"discriminator": nets["discriminator"]}, self.discriminator_lr, 0.0, 0.99)
        falling = {"lr": cosine(self.lr, self.lr / 10), "sigma": cosine(self.sigma, self.sigma / 2)}
        ema = ema_of(generator, total, half_life=self.ema_half_life, ramp=0.05)
        return System(game, {"generator": evolution, **adam}, ema, {"generator": falling})

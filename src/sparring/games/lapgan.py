"""The games of LAPGAN (Denton et al. 2015): one at each level of a Laplacian pyramid, all given real data."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch, Stats
from sparring.games.gan import GAN, together
from sparring.games.objectives import Objective
from sparring.nets.laplacian import Discriminator, Generator, pyramid

Level = tuple[Tensor, dict[str, Tensor]]
"""Loss and statistics of one level."""


class LAPGAN:
    """Two players, `generator` and `discriminator`; a `Judging` game of one GAN at each level.

    Each level is trained independently (section 3): its generator gets noise and the low-pass image of a real image,
    and its discriminator tells what becomes of it from the real image. No gradient goes from level to level. All
    levels play at once, or with `one_by_one` the coarsest first, each for an equal share of the run.
    """

    turns = ("discriminator", "generator")

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        objective: Objective,
        *,
        conditional: bool = False,
        one_by_one: bool = False,
    ) -> None:
        self.objective, self.conditional, self.one_by_one = objective, conditional, one_by_one
        self._generator, self._discriminator = generator, discriminator
        self._latents = sum(generator.chunk_dims)
        self._whole = GAN(generator, discriminator, objective, latent_dim=self._latents, conditional=conditional)
        self.players: Mapping[str, nn.Module] = {"generator": generator, "discriminator": discriminator}

    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """What D in eval mode says of whole images `x` `[B, C, H, W]` with labels `y`: the sum of its levels, `[B]`."""
        return self._whole.logits(x, y)

    def playing(self, at: float) -> range:
        """The levels that play when `at` (0 to 1) of the run is over; 0 is the finest."""
        count = len(self._generator.levels)
        if not self.one_by_one:
            return range(count)
        level = max(count - 1 - int(at * count), 0)
        return range(level, level + 1)

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """The sum of the losses of the levels that play; D's statistics tell the sums of their mean logits."""
        playing = self.playing(at)
        if self.one_by_one:
            self._hold_still(player, playing)
        loss_of = self._discriminator_loss if player == "discriminator" else self._generator_loss
        real, z = pyramid(batch.x, self._generator.sizes), self._generator.split(batch.normal(self._latents))
        y = batch.y if self.conditional else None
        losses, stats = zip(*(loss_of(k, *real[k], z[k], y) for k in playing), strict=True)
        told = {name: torch.stack([each[name] for each in stats]).sum() for name in stats[0]}
        return torch.stack(losses).sum(), told

    def _discriminator_loss(self, k: int, image: Tensor, low: Tensor, z: Tensor, y: Tensor | None) -> Level:
        with torch.no_grad():
            made = self._generator.levels[k](z, low, y)
        real, fake = self._judge(k, [image, made], y)
        return self.objective.discriminator(real, fake), {"real_logit": real.mean(), "fake_logit": fake.mean()}

    def _generator_loss(self, k: int, image: Tensor, low: Tensor, z: Tensor, y: Tensor | None) -> Level:
        real = image.new_empty(0)
        if self.objective.pairs:
            with torch.no_grad():  # G cannot move the real logits
                (real,) = self._judge(k, [image], y)
        (fake,) = self._judge(k, [self._generator.levels[k](z, low, y)], y)
        return self.objective.generator(fake, real), {}

    def _judge(self, k: int, x: list[Tensor], y: Tensor | None) -> list[Tensor]:
        return together(self._discriminator.levels[k], x, [] if y is None else [y] * len(x))

    def _hold_still(self, player: str, playing: range) -> None:
        """Let `player` learn at the levels that play alone.

        Without a gradient Adam passes over the others. Were they merely left out of the loss, several processes would
        average zeros for them (`engine.dist`): Adam would count these rounds, correct no bias when their time comes,
        and begin with a step of (1 - beta1) / sqrt(1 - beta2), 16 times the learning rate.
        """
        net = self._discriminator if player == "discriminator" else self._generator
        for k, level in enumerate(net.levels):
            level.requires_grad_(k in playing)

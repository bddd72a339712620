"""The game of LAPGAN: one GAN at each level of a Laplacian pyramid, all on real data (Denton et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch, Stats
from sparring.games.gan import GAN, joint_forward
from sparring.games.objectives import Objective
from sparring.nets.laplacian import Discriminator, Generator, pyramid

LevelLoss = tuple[Tensor, dict[str, Tensor]]
"""Loss and statistics of one level."""


class LAPGAN:
    """A game of two players, `generator` and `discriminator`, with an independent GAN at each level.

    The generator of a level gets noise and the low-pass image of a real image; the discriminator compares the result
    with the real image (section 3). No gradient flows between levels. All levels are trained at once, or with
    `one_by_one` one after another from the coarsest, for an equal fraction of the run each.
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
        self._latent_dim = sum(generator.chunk_dims)
        self._all_levels = GAN(
            generator, discriminator, objective, latent_dim=self._latent_dim, conditional=conditional
        )
        self.players: Mapping[str, nn.Module] = {"generator": generator, "discriminator": discriminator}

    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logits `[B]` of images `[B, C, H, W]` with labels `y` in eval mode, summed over the levels."""
        return self._all_levels.logits(x, y)

    def active_levels(self, at: float) -> range:
        """Return the levels that are trained at progress `at` in [0, 1]; 0 is the finest."""
        count = len(self._generator.levels)
        if not self.one_by_one:
            return range(count)
        level = max(count - 1 - int(at * count), 0)
        return range(level, level + 1)

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the sum of the losses of the active levels; the discriminator's statistics are sums of mean logits."""
        levels = self.active_levels(at)
        if self.one_by_one:
            self._freeze_inactive(player, levels)
        level_loss = self._discriminator_loss if player == "discriminator" else self._generator_loss
        real, z = pyramid(batch.x, self._generator.sizes), self._generator.split(batch.normal(self._latent_dim))
        y = batch.y if self.conditional else None
        losses, level_stats = zip(*(level_loss(k, *real[k], z[k], y) for k in levels), strict=True)
        stats = {name: torch.stack([stats[name] for stats in level_stats]).sum() for name in level_stats[0]}
        return torch.stack(losses).sum(), stats

    def _discriminator_loss(self, k: int, image: Tensor, low: Tensor, z: Tensor, y: Tensor | None) -> LevelLoss:
        with torch.no_grad():
            fake = self._generator.levels[k](z, low, y)
        real_logits, fake_logits = self._level_logits(k, [image, fake], y)
        loss = self.objective.discriminator(real_logits, fake_logits)
        return loss, {"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}

    def _generator_loss(self, k: int, image: Tensor, low: Tensor, z: Tensor, y: Tensor | None) -> LevelLoss:
        real_logits = image.new_empty(0)
        if self.objective.pairs:
            with torch.no_grad():  # the generator does not affect real logits
                (real_logits,) = self._level_logits(k, [image], y)
        (fake_logits,) = self._level_logits(k, [self._generator.levels[k](z, low, y)], y)
        return self.objective.generator(fake_logits, real_logits), {}

    def _level_logits(self, k: int, x: list[Tensor], y: Tensor | None) -> list[Tensor]:
        return joint_forward(self._discriminator.levels[k], x, [] if y is None else [y] * len(x))

    def _freeze_inactive(self, player: str, active: range) -> None:
        """Disable gradients of `player` at all levels but the `active` ones.

        Adam skips parameters without a gradient. If inactive levels were only left out of the loss, several processes
        would average zeros for them (`engine.dist`). Adam would count these rounds, lose its bias correction, and later
        start with a step of (1 - beta1) / sqrt(1 - beta2), 16 times the learning rate.
        """
        net = self._discriminator if player == "discriminator" else self._generator
        for k, level in enumerate(net.levels):
            level.requires_grad_(k in active)

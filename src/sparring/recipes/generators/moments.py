"""Moments: a private image generator from class-wise moments that are released once, with an adversarial critic.

The means of fixed random features of the images in each class are released with Gaussian noise (DP-MERF: Harder et al.
2021, arXiv:2002.11603). A critic re-weights their frequencies against the generator (PEARL: Liew, Takahashi and Ueno
2022, arXiv:2106.04590): a game on noisy moments, which costs no privacy. Differences: the features are those of a
scattering transform, of public width; class counts are released with the moments; distances are unbiased.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.optim import Adam

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.moments import MomentCritic, MomentGame
from sparring.nets.dcgan import Generator
from sparring.nets.moment_features import MomentFeatures
from sparring.recipes.generators.base import ImageGenerator
from sparring.recipes.recipe import check_positive, ema_of

LABEL_SCALE = 3.0
"""Size of a label beside noise of deviation 1."""
HIDDEN = 256
"""Units between noise and the first map of a generator."""


class ClassGenerator(nn.Module):
    """Maps noise `[B, latent_dim]` and labels `[B]` to images: a hidden layer, and the generator of DCGAN."""

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, classes: int, width: int) -> None:
        super().__init__()
        self.classes = classes
        self.hidden = nn.Linear(latent_dim + classes, HIDDEN)
        nn.init.orthogonal_(self.hidden.weight)
        self.image = Generator(shape, HIDDEN, width)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return images `[B, C, H, W]` in [-1, 1]; without labels all are of the first class."""
        y = z.new_zeros(len(z), dtype=torch.int64) if y is None else y
        label = one_hot(y.clamp(min=0), self.classes) * (y >= 0)[:, None]
        joint = torch.cat([z, LABEL_SCALE * label.to(z.dtype)], 1)
        images: Tensor = self.image(torch.relu(self.hidden(joint)))
        return images


@dataclass(frozen=True, kw_only=True)
class Moments(ImageGenerator):
    """A generator that matches noisy moments, re-weighted by a critic."""

    name: ClassVar[str] = "moments"
    paper: ClassVar[str] = "Harder et al. 2021, arXiv:2002.11603; Liew et al. 2022, arXiv:2106.04590"
    labels: ClassVar[bool] = True

    latent_dim: int = 16
    """Dimension of the generator's noise."""
    width: int = 16
    """Channels at the finest level of the generator, doubled at each coarser one."""
    batch_size: int = 200
    """Samples per round, as many of each class."""
    lr: float = 3e-3
    """Adam's initial learning rate of the generator, which falls to a hundredth along a cosine."""
    critic_lr: float = 0.05
    """Adam's learning rate of the critic's weights; 0 for equal weights, without a game."""
    frequencies: int = 1000
    """Random frequencies, half of them of pixels; each gives a cosine and a sine."""
    pixel_width: float = 0.21
    """Width of the Gaussian kernel on pixels, as a root mean square difference of numbers in [0, 1]: a public rule."""
    kernel_width: float = 0.4
    """Width of the Gaussian kernel on scattering coefficients of norm 1: a public rule."""
    orientations: int = 4
    """Orientations of the wavelets."""

    def __post_init__(self) -> None:
        check_positive(
            self,
            "latent_dim",
            "width",
            "batch_size",
            "lr",
            "frequencies",
            "kernel_width",
            "pixel_width",
            "orientations",
        )
        check_positive(self, "accumulation_steps", "ema_half_life")
        if self.accumulation_steps > 1 or self.mirror:
            raise UsageError(
                "moments are of whole batches, and of images as they are: leave out --accumulation-steps and --mirror"
            )
        if self.critic_lr < 0:
            raise UsageError(f"--critic-lr must be 0 or more, not {self.critic_lr}")

    def classes(self, spec: ImageSpec) -> int:
        """Return the number of classes; 0 where there are fewer than two."""
        return len(spec.classes) if len(spec.classes) > 1 else 0

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Return the recipe itself; raise UsageError where a batch has less than two samples of each class."""
        if self.batch_size < 2 * max(self.classes(spec), 1):
            raise UsageError(
                f"--batch-size {self.batch_size} is less than two samples of each of {self.classes(spec)} classes: "
                f"take {2 * self.classes(spec)} or more"
            )
        return self

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the networks; the critic's moments are 0 until the release fills them."""
        classes = max(self.classes(spec), 1)
        features = MomentFeatures(spec.shape, self.frequencies, self.pixel_width, self.kernel_width, self.orientations)
        return {
            "generator": ClassGenerator(spec.shape, self.latent_dim, classes, self.width),
            "critic": MomentCritic(features, classes, self.frequencies),
        }

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game, with Adam and an EMA of the generator."""
        critic = nets["critic"]
        assert isinstance(critic, MomentCritic)
        adversarial = self.critic_lr > 0
        game = MomentGame(nets["generator"], critic, self.latent_dim, adversarial=adversarial)
        optimizers = {"generator": Adam(nets["generator"].parameters(), self.lr, (0.5, 0.99), fused=True)}
        if adversarial:
            optimizers["critic"] = Adam(critic.parameters(), self.critic_lr, (0.5, 0.9), fused=True)
        ema = ema_of(nets["generator"], total, half_life=self.ema_half_life, ramp=0.05)
        return System(game, optimizers, ema, {"generator": {"lr": cosine(self.lr, self.lr / 100)}})
